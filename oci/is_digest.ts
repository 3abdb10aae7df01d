/**
 * Whether text is a digest at all.
 *
 * @module
 */

import { isKnownDigest } from "./_known_digest.ts";

const DIGEST_REGEXP = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/;

/**
 * Whether text follows the grammar of digests. One of an unknown hash function does too: it can be copied, but not verified.
 *
 * @param text Such as `sha256:<64 hex>`.
 * @returns Whether it is a digest; for a known hash function the length and the digits count too.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
 *
 * @example Usage
 * ```ts
 * import { isDigest } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(isDigest("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"));
 * assert(!isDigest("sha256:12"));
 * ```
 */
export function isDigest(text: string): boolean {
  const [, algorithm, encoded] = text.length > 512
    ? []
    : DIGEST_REGEXP.exec(text) ?? [];
  if (algorithm === undefined || encoded === undefined) return false;
  return isKnownDigest(algorithm, encoded) !== false;
}
