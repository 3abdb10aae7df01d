/**
 * The digest of bytes at hand.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { DigestAlgorithm } from "./parse_digest.ts";

/**
 * Computes the digest of bytes.
 *
 * @param bytes The content, or text that counts as UTF-8.
 * @param algorithm The hash function.
 * @returns The digest, such as `sha256:<64 hex>`.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
 *
 * @example Usage
 * ```ts
 * import { digestBytes } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   digestBytes("{}"),
 *   "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
 * );
 * ```
 */
export function digestBytes(
  bytes: Uint8Array | string,
  algorithm: DigestAlgorithm = "sha256",
): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
