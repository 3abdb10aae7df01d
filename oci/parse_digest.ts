/**
 * Digests: what content is named by.
 *
 * @module
 */

/** The hash functions that a digest may name. */
export type DigestAlgorithm = "sha256" | "sha384" | "sha512";

/** A digest in its parts. */
export interface Digest {
  /** The hash function. */
  readonly algorithm: DigestAlgorithm;
  /** The hash in lower case hexadecimal. */
  readonly hex: string;
}

/** Hexadecimal digits by algorithm. */
const LENGTHS: Readonly<Record<string, number>> = {
  sha256: 64,
  sha384: 96,
  sha512: 128,
};
const DIGEST_REGEXP = /^([a-z0-9]+):([0-9a-f]+)$/;

/**
 * Parses a digest, as
 * [descriptor.md](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests) of the OCI image specification defines it.
 *
 * @param digest Such as `sha256:<64 hex>`.
 * @returns Its parts, safe to use in a path.
 * @throws {SyntaxError} If it is not a digest of a known hash function.
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
    LENGTHS[algorithm] !== hex.length
  ) {
    throw new SyntaxError(
      `Cannot parse digest ${
        JSON.stringify(digest.slice(0, 160))
      }: expected sha256, sha384 or sha512 and its hash in lower case hexadecimal`,
    );
  }
  return { algorithm: algorithm as DigestAlgorithm, hex };
}
