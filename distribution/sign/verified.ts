/**
 * What verification found.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import type { Identity, SignatureFormat } from "./policy.ts";
import type { Statement } from "./statement.ts";

/** One signature that holds. */
export interface VerifiedSignature {
  /** Its format. */
  readonly format: SignatureFormat;
  /** The digest of the manifest it was found in. */
  readonly source: string;
  /** The authority that signed, by its name in the policy. */
  readonly authority: string;
  /** Whom the certificate is of; `undefined` if a key signed. */
  readonly identity?: Identity;
  /** The name of the certificate, of notation's. */
  readonly subject?: string;
  /** When it was made at the latest, if somebody trusted says so, in milliseconds since 1970. */
  readonly time?: number;
  /** What else the signature says, by key. */
  readonly annotations: Readonly<Record<string, unknown>>;
  /** The statement that is signed, if the format has one. */
  readonly statement?: Statement;
  /** What is past its end, where the policy allows that. */
  readonly expired?: string;
}

/** An image that is signed as a policy wants it. */
export interface Verified {
  /** What was asked for. */
  readonly reference: string;
  /** What it is. */
  readonly descriptor: Descriptor;
  /** The signatures that count: one of each authority. */
  readonly signatures: readonly VerifiedSignature[];
}
