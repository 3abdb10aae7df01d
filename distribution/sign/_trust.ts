/**
 * Asking a trusted root.
 *
 * @module
 */

import { type Certificate, parseCertificate } from "./_certificate.ts";
import type { TimeRange, TrustedAuthority } from "./trusted_root.ts";

/** Whether a moment lies in a span. */
export function isWithin(time: number, { start, end }: TimeRange): boolean {
  return time >= start && time <= end;
}

/** The certificates of an authority: who is trusted, and who stands between. */
export function authorityCertificates(
  { chain }: TrustedAuthority,
): { root: Certificate; others: readonly Certificate[] } {
  const certificates = chain.map(parseCertificate);
  return { root: certificates.at(-1)!, others: certificates.slice(0, -1) };
}
