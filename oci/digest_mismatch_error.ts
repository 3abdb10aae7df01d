/**
 * The error for content that is not what it was named.
 *
 * @module
 */

/**
 * Content whose digest or size is not the expected one.
 *
 * @example Usage
 * ```ts
 * import { DigestMismatchError } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DigestMismatchError("read blob", {
 *   expected: "sha256:aa",
 *   actual: "sha256:bb",
 * });
 * assertEquals(error.expected, "sha256:aa");
 * ```
 */
export class DigestMismatchError extends Error {
  /** Always `"DigestMismatchError"`, for checks across package versions. */
  override readonly name = "DigestMismatchError";
  /** The digest or size that was asked for. */
  readonly expected: string;
  /** The digest or size that was found. */
  readonly actual: string;

  /**
   * Describes a mismatch.
   *
   * @param action What was being done, as in `read blob "sha256:…"`.
   * @param mismatch The digest (or size, as `5 bytes`) expected and found.
   */
  constructor(action: string, mismatch: { expected: string; actual: string }) {
    super(
      `Cannot ${action}: expected ${mismatch.expected}, found ${mismatch.actual}`,
    );
    this.expected = mismatch.expected;
    this.actual = mismatch.actual;
  }
}
