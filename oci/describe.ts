/**
 * Making descriptors.
 *
 * @module
 */

import type { Descriptor } from "./descriptor.ts";
import { digestBytes } from "./digest_bytes.ts";
import type { DigestAlgorithm } from "./parse_digest.ts";

/** Options of {@linkcode describe}. */
export interface DescribeOptions
  extends Omit<Descriptor, "mediaType" | "digest" | "size"> {
  /**
   * The hash function.
   *
   * @default {"sha256"}
   */
  readonly algorithm?: DigestAlgorithm;
}

/**
 * Describes content at hand: its media type, digest and size.
 *
 * @param mediaType The media type of the content.
 * @param content The content, or text that counts as UTF-8.
 * @param options The hash function, and further fields of the descriptor.
 * @returns The descriptor.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md
 *
 * @example Usage
 * ```ts
 * import { describe, MediaType } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(describe(MediaType.Empty, "{}").size, 2);
 * ```
 */
export function describe(
  mediaType: string,
  content: Uint8Array | string,
  options: DescribeOptions = {},
): Descriptor {
  const { algorithm, ...fields } = options;
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
  return {
    mediaType,
    digest: digestBytes(bytes, algorithm),
    size: bytes.length,
    ...fields,
  };
}
