import {
  type Descriptor,
  type ImageConfig,
  parseImageConfig,
} from "@containerkit/oci";

/** Parses the config of an image; what is wrong is told with its digest, which the parser does not know. */
export function parseConfig(
  bytes: Uint8Array,
  { digest }: Descriptor,
): ImageConfig {
  try {
    return parseImageConfig(bytes);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const message = cause.message.replace(
      /^Cannot parse image config:/,
      () => `Cannot parse image config "${digest}":`,
    );
    throw new SyntaxError(message, { cause });
  }
}
