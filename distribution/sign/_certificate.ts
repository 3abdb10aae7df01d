/**
 * X.509 certificates ([RFC 5280](https://www.rfc-editor.org/rfc/rfc5280)): the fields that say whom one is of, and what it may do.
 *
 * @module
 */

import {
  derBits,
  derChildren,
  derInteger,
  derOid,
  derSequence,
  DerTag,
  derTime,
  type DerValue,
  expectTag,
  readDer,
} from "./_der.ts";
import { sameBytes } from "./_bytes.ts";
import { verifySignature } from "./_signature.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";
import type { SignatureScheme } from "./signer.ts";

/** An extension by its value. */
export interface CertificateExtension {
  readonly critical: boolean;
  /** The DER that the extension's octet string holds. */
  readonly value: Uint8Array;
}

/** A certificate, read but not verified. */
export interface Certificate {
  /** DER of the whole. */
  readonly bytes: Uint8Array;
  /** What is signed, with its parts. */
  readonly tbs: DerValue;
  /** Serial number in hexadecimal. */
  readonly serial: string;
  /** DER of the name of who signed it. */
  readonly issuer: Uint8Array;
  /** DER of the name of whom it is of. */
  readonly subject: Uint8Array;
  /** When it begins and ends to hold, in milliseconds since 1970, both included. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Its key; `undefined` if nothing here can use it. */
  readonly key: PublicKey | undefined;
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
  /** Whether it may sign certificates, by its basic constraints. */
  readonly isCa: boolean;
  /** How many authorities may stand between it and a leaf. */
  readonly pathLength: number | undefined;
  /** What its key may do; `undefined` if it does not say. */
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** What it is for, as object identifiers; `undefined` if it does not say. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
}

/** What a key may do, in the order of the bits. */
const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;
/** One of them. */
export type KeyUsage = typeof KEY_USAGES[number];

/** Object identifiers that certificates are read by. */
export const Oid = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  crlDistributionPoints: "2.5.29.31",
  authorityInfoAccess: "1.3.6.1.5.5.7.1.1",
  extendedKeyUsage: "2.5.29.37",
  anyExtendedKeyUsage: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  emailProtection: "1.3.6.1.5.5.7.3.4",
  timeStamping: "1.3.6.1.5.5.7.3.8",
} as const;

/** Signature algorithms that certificates are checked by. */
const SCHEMES: Readonly<
  Record<string, SignatureScheme & { readonly of: string }>
> = {
  "1.2.840.113549.1.1.11": { hash: "sha256", of: "rsa" },
  "1.2.840.113549.1.1.12": { hash: "sha384", of: "rsa" },
  "1.2.840.113549.1.1.13": { hash: "sha512", of: "rsa" },
  "1.2.840.10045.4.3.2": { hash: "sha256", of: "ecdsa" },
  "1.2.840.10045.4.3.3": { hash: "sha384", of: "ecdsa" },
  "1.2.840.10045.4.3.4": { hash: "sha512", of: "ecdsa" },
  "1.3.101.112": { hash: "sha512", of: "ed25519" },
};
/** Bytes of the largest certificate that is read. */
const MAX_CERTIFICATE = 64 * 1024;

function readExtensions(
  value: DerValue | undefined,
): Map<string, CertificateExtension> {
  const map = new Map<string, CertificateExtension>();
  if (value === undefined) return map;
  for (const extension of derSequence(derChildren(value)[0])) {
    const fields = derSequence(extension);
    const oid = derOid(fields[0]);
    if (map.has(oid)) {
      throw new SyntaxError(`Cannot parse certificate: extension ${oid} twice`);
    }
    map.set(oid, {
      critical: fields.length === 3 &&
        expectTag(fields[1], DerTag.Boolean).content[0] !== 0,
      value: expectTag(fields.at(-1), DerTag.OctetString).content,
    });
  }
  return map;
}

function readKeyUsage(bytes: Uint8Array): KeyUsage[] {
  const bits = expectTag(readDer(bytes), DerTag.BitString).content.subarray(1);
  return KEY_USAGES.filter((_, index) =>
    ((bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0
  );
}

function readBasicConstraints(
  extension: CertificateExtension | undefined,
): Pick<Certificate, "isCa" | "pathLength"> {
  if (extension === undefined) return { isCa: false, pathLength: undefined };
  const fields = derSequence(readDer(extension.value));
  const isCa = fields[0]?.tag === DerTag.Boolean && fields[0].content[0] !== 0;
  const length = fields.find(({ tag }) => tag === DerTag.Integer);
  return {
    isCa,
    pathLength: length === undefined
      ? undefined
      : parseInt(derInteger(length).slice(0, 8), 16),
  };
}

function readKey(spki: DerValue): PublicKey | undefined {
  try {
    return parsePublicKey(spki.whole);
  } catch {
    // A root of another kind of key may stand in a bundle of roots; it vouches for nothing.
    return undefined;
  }
}

/** Reads a certificate. Nothing of it is verified. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > MAX_CERTIFICATE) {
    throw new RangeError(
      `Cannot parse certificate: larger than ${MAX_CERTIFICATE} bytes`,
    );
  }
  const [tbs, algorithm, signature] = derSequence(readDer(bytes));
  const fields = derSequence(tbs);
  if (fields[0]?.tag === 0xa0) fields.shift();
  const [serial, inner, issuer, validity, subject, spki, ...rest] = fields;
  const [notBefore, notAfter] = derSequence(validity);
  const signatureAlgorithm = derOid(derSequence(algorithm)[0]);
  if (derOid(derSequence(inner)[0]) !== signatureAlgorithm) {
    throw new SyntaxError("Cannot parse certificate: two signature algorithms");
  }
  const extensions = readExtensions(rest.find(({ tag }) => tag === 0xa3));
  const usage = extensions.get(Oid.keyUsage);
  const extended = extensions.get(Oid.extendedKeyUsage);
  return {
    bytes,
    tbs: expectTag(tbs, DerTag.Sequence),
    serial: derInteger(serial),
    issuer: expectTag(issuer, DerTag.Sequence).whole,
    subject: expectTag(subject, DerTag.Sequence).whole,
    notBefore: derTime(notBefore),
    notAfter: derTime(notAfter),
    key: readKey(expectTag(spki, DerTag.Sequence)),
    extensions,
    ...readBasicConstraints(extensions.get(Oid.basicConstraints)),
    keyUsage: usage === undefined ? undefined : readKeyUsage(usage.value),
    extendedKeyUsage: extended === undefined
      ? undefined
      : derSequence(readDer(extended.value)).map(derOid),
    signatureAlgorithm,
    signature: derBits(signature),
  };
}

/** Whether a certificate vouches for itself, by its names. */
export function isSelfSigned({ issuer, subject }: Certificate): boolean {
  return sameBytes(issuer, subject);
}

/** Whether the key of one certificate signed another. */
export function isSignedBy(
  { tbs, signature, signatureAlgorithm, issuer: name }: Certificate,
  issuer: Certificate,
): boolean {
  const scheme = SCHEMES[signatureAlgorithm];
  return scheme !== undefined && issuer.key !== undefined &&
    sameBytes(name, issuer.subject) &&
    issuer.key.algorithm.startsWith(scheme.of) &&
    verifySignature(tbs.whole, signature, { key: issuer.key, scheme });
}
