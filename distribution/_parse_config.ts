import {
  type ImageConfig,
  type ImageManifest,
  MediaType,
  parseImageConfig,
} from "@containerkit/oci";

const CONFIG_TYPES: readonly string[] = [
  MediaType.Config,
  MediaType.DockerConfig,
];
/** What a config of an image has, in whatever spelling: some parsers take "OS" for "os", and the long s, of which there is no other capital, for an s. */
const FIELDS = ["architecture", "os", "rootfs", "config", "history"];

/**
 * Parses the config of an image; what is wrong is told with its digest, which the parser does not know.
 *
 * @returns The config; `undefined` if the manifest is that of an artifact. So it is if its config is of another type, or, as
 * policy bundles have it, says nothing of what a config of an image has to say: most often it is `{}`.
 */
export function parseConfig(
  bytes: Uint8Array,
  manifest: Pick<ImageManifest, "config">,
): ImageConfig | undefined {
  if (!hasImageConfig(manifest)) return undefined;
  try {
    return parseImageConfig(bytes);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    if (saysNothing(bytes)) return undefined;
    const message = cause.message.replace(
      /^Cannot parse image config:/,
      () => `Cannot parse image config "${manifest.config.digest}":`,
    );
    throw new SyntaxError(message, { cause });
  }
}

/** Whether it is an object without any field of a config of an image. */
function saysNothing(bytes: Uint8Array): boolean {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return false;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !Object.keys(value).some((name) =>
      FIELDS.includes(name.toUpperCase().toLowerCase())
    );
}

/** Whether a manifest may be that of an image, by the type of its config; the config itself has the last word. */
export function hasImageConfig(
  { config }: Pick<ImageManifest, "config">,
): boolean {
  return CONFIG_TYPES.includes(config.mediaType);
}
