/**
 * The error for an image that is not signed as a policy wants it.
 *
 * @module
 */

import type { SignatureFormat } from "./policy.ts";

/** Why one signature does not count. */
export interface Refusal {
  /** Its format. */
  readonly format: SignatureFormat;
  /** The digest of the manifest it was found in, or where it was looked for. */
  readonly source: string;
  /** The authority it was checked against, if it came to that. */
  readonly authority?: string;
  /** Why it does not count. */
  readonly reason: string;
}

/** Reasons that a message holds at most. */
const MAX_REASONS = 5;

/**
 * An image that is not signed as a policy wants it, and why.
 *
 * @example Usage
 * ```ts
 * import { VerificationError } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new VerificationError("localhost:5000/app:1", {
 *   digest: "sha256:aa",
 *   wanted: 1,
 *   found: 0,
 *   refusals: [],
 * });
 * assertEquals(
 *   error.message,
 *   'Cannot admit "localhost:5000/app:1" (sha256:aa): 0 of 1 signatures hold: there are none',
 * );
 * ```
 */
export class VerificationError extends Error {
  /** Always `"VerificationError"`, for checks across package versions. */
  override readonly name = "VerificationError";
  /** What was to be admitted. */
  readonly reference: string;
  /** Its digest. */
  readonly digest: string;
  /** Why each signature that was found does not count. */
  readonly refusals: readonly Refusal[];

  /**
   * Describes a refusal.
   *
   * @param reference What was to be admitted.
   * @param refusal Its digest, how many authorities had to sign and did, and why no more.
   * @param options The cause, if a registry failed.
   */
  constructor(
    reference: string,
    refusal: {
      digest: string;
      wanted: number;
      found: number;
      refusals: readonly Refusal[];
    },
    options: ErrorOptions = {},
  ) {
    const { digest, wanted, found, refusals } = refusal;
    const reasons = refusals.slice(0, MAX_REASONS).map((
      { format, authority, reason },
    ) => [format, authority, reason].filter(Boolean).join(": "));
    const more = refusals.length - reasons.length;
    super(
      `Cannot admit "${reference}" (${digest}): ${found} of ${wanted} signatures hold: ${
        reasons.length > 0
          ? reasons.join("; ")
          : found === 0
          ? "there are none"
          : "there are no others"
      }${more > 0 ? `; and ${more} more` : ""}`,
      options,
    );
    this.reference = reference;
    this.digest = digest;
    this.refusals = refusals;
  }
}
