/**
 * Chains of certificates ([RFC 5280](https://www.rfc-editor.org/rfc/rfc5280#section-6)): from a leaf to a root that is trusted.
 *
 * @module
 */

import { sameBytes } from "./_bytes.ts";
import { type Certificate, isSignedBy, Oid } from "./_certificate.ts";

/** Certificates that may stand between a leaf and a root. */
const MAX_DEPTH = 8;
/** Critical extensions whose meaning is obeyed here; any other refuses the certificate. */
const KNOWN: readonly string[] = [
  Oid.keyUsage,
  Oid.subjectAltName,
  Oid.basicConstraints,
  Oid.extendedKeyUsage,
];

/** Options of {@linkcode verifyChain}. */
export interface VerifyChainOptions {
  /** Who is trusted. */
  readonly roots: readonly Certificate[];
  /** Who may stand in between; nobody is trusted for standing here. */
  readonly intermediates?: readonly Certificate[];
  /** The moment that every certificate has to hold at, in milliseconds since 1970. */
  readonly time: number;
  /** What the leaf has to be for, as an object identifier, and its authorities if they restrict it. */
  readonly purpose?: string;
}

/** Why a certificate cannot be part of a chain at a moment. */
function fault(
  certificate: Certificate,
  { time, purpose }: VerifyChainOptions,
): string | undefined {
  const { notBefore, notAfter, extensions, extendedKeyUsage } = certificate;
  if (time < notBefore || time > notAfter) {
    return `it holds from ${new Date(notBefore).toISOString()} to ${
      new Date(notAfter).toISOString()
    }, not at ${new Date(time).toISOString()}`;
  }
  for (const [oid, { critical }] of extensions) {
    if (critical && !KNOWN.includes(oid)) {
      return `critical extension ${oid} is not known`;
    }
  }
  if (
    purpose !== undefined && extendedKeyUsage !== undefined &&
    !extendedKeyUsage.includes(purpose) &&
    !extendedKeyUsage.includes(Oid.anyExtendedKeyUsage)
  ) return `it is not for ${purpose}`;
  return undefined;
}

/** Why a certificate cannot vouch for another with `below` authorities in between. */
function authorityFault(
  { isCa, keyUsage, pathLength }: Certificate,
  below: number,
): string | undefined {
  if (!isCa) return "its issuer is no authority";
  if (keyUsage !== undefined && !keyUsage.includes("keyCertSign")) {
    return "its issuer may not sign certificates";
  }
  if (pathLength !== undefined && pathLength < below) {
    return "its issuer allows fewer authorities in between";
  }
  return undefined;
}

function findPath(
  path: readonly Certificate[],
  options: VerifyChainOptions,
  reasons: string[],
): readonly Certificate[] | undefined {
  const last = path.at(-1)!;
  const why = fault(last, options);
  if (why !== undefined) {
    reasons.push(why);
    return undefined;
  }
  const { roots, intermediates = [] } = options;
  if (roots.some((root) => sameBytes(root.bytes, last.bytes))) return path;
  if (path.length > MAX_DEPTH) return undefined;
  for (const issuer of [...roots, ...intermediates]) {
    if (path.includes(issuer) || !isSignedBy(last, issuer)) continue;
    const cannot = authorityFault(issuer, path.length - 1);
    if (cannot !== undefined) {
      reasons.push(cannot);
      continue;
    }
    const found = findPath([...path, issuer], options, reasons);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Finds a chain from a leaf to a trusted root.
 *
 * @returns The chain, the leaf first; alone if it is a root itself.
 * @throws {Error} If there is none, with the reason.
 */
export function verifyChain(
  leaf: Certificate,
  options: VerifyChainOptions,
): readonly Certificate[] {
  const reasons: string[] = [];
  const path = findPath([leaf], options, reasons);
  if (path === undefined) {
    throw new Error(
      `the certificate has no chain to a trusted root: ${
        reasons[0] ?? "nobody trusted signed it"
      }`,
    );
  }
  return path;
}
