/**
 * Where cosign's own format lies.
 *
 * @module
 */

import { parseDigest } from "@containerkit/oci";

/**
 * The tag that cosign's own format keeps signatures (or attestations) of an image under.
 *
 * @param digest The digest of the image.
 * @param kind `"sig"` for signatures, `"att"` for attestations.
 * @returns Such as `sha256-<64 hex>.sig`.
 * @throws {SyntaxError} If it is not a digest.
 *
 * @see https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 *
 * @example Usage
 * ```ts
 * import { signatureTag } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const hex = "0".repeat(64);
 * assertEquals(signatureTag(`sha256:${hex}`), `sha256-${hex}.sig`);
 * ```
 */
export function signatureTag(
  digest: string,
  kind: "sig" | "att" = "sig",
): string {
  const { algorithm, hex } = parseDigest(digest);
  return `${algorithm}-${hex}.${kind}`;
}
