/**
 * Digests: what content is named by.
 *
 * @module
 */

import { isKnownDigest } from "./_known_digest.ts";

/** The hash functions that content can be verified by. */
export type DigestAlgorithm = "sha256" | "sha384" | "sha512";

/** A digest in its parts. */
export interface Digest {
  /** The hash function. */
  readonly algorithm: DigestAlgorithm;
  /** The hash in lower case hexadecimal. */
  readonly hex: string;
}

const DIGEST_REGEXP = /^(sha256|sha384|sha512):([0-9a-f]+)$/;

/**
 * Parses a digest, as
 * [descriptor.md](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests) of the OCI image specification defines it.
 *
 * @param digest Such as `sha256:<64 hex>`.
 * @returns Its parts, safe to use in a path.
 * @throws {SyntaxError} If it is not a digest of a hash function that content can be verified by.
 *
 * @example Usage
 * ```ts
 * import { parseDigest } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const { algorithm } = parseDigest(`sha256:${"0".repeat(64)}`);
 * assertEquals(algorithm, "sha256");
 * ```
 */
export function parseDigest(digest: string): Digest {
  const [, algorithm, hex] = DIGEST_REGEXP.exec(digest) ?? [];
  if (
    algorithm === undefined || hex === undefined ||
    !isKnownDigest(algorithm, hex)
  ) {
    throw new SyntaxError(
      `Cannot parse digest ${
        JSON.stringify(digest.slice(0, 160))
      }: expected sha256, sha384 or sha512 and its hash in lower case hexadecimal`,
    );
  }
  return { algorithm: algorithm as DigestAlgorithm, hex };
}
