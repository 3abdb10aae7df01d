/**
 * Timestamps ([RFC 3161](https://www.rfc-editor.org/rfc/rfc3161)): an authority's word for when a signature existed.
 *
 * @module
 */

import { hashBytes, sameBytes } from "./_bytes.ts";
import { type Certificate, Oid, parseCertificate } from "./_certificate.ts";
import { verifyChain } from "./_chain.ts";
import {
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
import { verifySignature } from "./_signature.ts";
import type { SignatureHash } from "./signer.ts";

const HASHES: Readonly<Record<string, SignatureHash>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
/** Signature algorithms that name their own hash function; the others go by the digest algorithm. */
const SIGNATURE_HASHES: Readonly<Record<string, SignatureHash>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};
const SIGNED_DATA = "1.2.840.113549.1.7.2";
const TST_INFO = "1.2.840.113549.1.9.16.1.4";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12";
const SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
/** Bytes of the largest timestamp that is read. */
const MAX_TIMESTAMP = 64 * 1024;

function hashOf(algorithm: DerValue | undefined): SignatureHash {
  const oid = derOid(derSequence(algorithm)[0]);
  const hash = HASHES[oid];
  if (hash === undefined) throw new Error(`hash function ${oid} is not known`);
  return hash;
}

/** The token of a response that was granted, or a bare token. */
function tokenOf(bytes: Uint8Array): DerValue {
  const outer = readDer(bytes, DerTag.Sequence);
  const [status, token] = derChildren(outer);
  if (status?.tag === DerTag.ObjectIdentifier) return outer;
  if (derInteger(derSequence(status)[0]) > "01") {
    throw new Error("the timestamp was not granted");
  }
  return expectTag(token, DerTag.Sequence);
}

interface Token {
  /** DER of the TSTInfo. */
  readonly info: Uint8Array;
  readonly certificates: readonly Certificate[];
  readonly signer: readonly DerValue[];
}

function readToken(bytes: Uint8Array): Token {
  const [type, wrapped] = derChildren(tokenOf(bytes));
  if (derOid(type) !== SIGNED_DATA) throw new Error("it is no signed data");
  const fields = derSequence(derChildren(expectTag(wrapped, 0xa0))[0]);
  const [, , content] = fields;
  const [contentType, contentWrapped] = derSequence(content);
  if (derOid(contentType) !== TST_INFO) throw new Error("it is no timestamp");
  const info = expectTag(
    derChildren(expectTag(contentWrapped, 0xa0))[0],
    DerTag.OctetString,
  ).content;
  const certificates = fields.find(({ tag }) => tag === 0xa0);
  const [signer, ...others] = derChildren(expectTag(fields.at(-1), DerTag.Set));
  if (others.length > 0) throw new Error("it has more than one signer");
  return {
    info,
    certificates: certificates === undefined
      ? []
      : derChildren(certificates).map(({ whole }) => parseCertificate(whole)),
    signer: derSequence(signer),
  };
}

function attribute(
  attributes: readonly DerValue[],
  oid: string,
): DerValue | undefined {
  const found = attributes.map(derSequence).filter(([type]) =>
    derOid(type) === oid
  );
  if (found.length > 1) throw new Error(`attribute ${oid} stands twice`);
  return found[0] === undefined
    ? undefined
    : derChildren(expectTag(found[0][1], DerTag.Set))[0];
}

/** Whether a signer's identifier means a certificate. */
function isNamed(sid: DerValue, certificate: Certificate): boolean {
  if (sid.tag === DerTag.Sequence) {
    const [issuer, serial] = derChildren(sid);
    return issuer !== undefined &&
      sameBytes(issuer.whole, certificate.issuer) &&
      derInteger(serial) === certificate.serial;
  }
  const id = certificate.extensions.get(Oid.subjectKeyIdentifier);
  return id !== undefined &&
    sameBytes(expectTag(sid, 0x80).content, readDer(id.value).content);
}

/** Checks that the signed attributes name the certificate: no other may be put in its place. */
function checkNamedCertificate(
  attributes: readonly DerValue[],
  certificate: Certificate,
): void {
  const v2 = attribute(attributes, SIGNING_CERTIFICATE_V2);
  const v1 = attribute(attributes, SIGNING_CERTIFICATE);
  // The list of certificates, of which the first is the signer's.
  const fields = derSequence(derSequence(derSequence(v2 ?? v1)[0])[0]);
  const hash = v2 === undefined
    ? "sha1"
    : fields[0]?.tag === DerTag.Sequence
    ? hashOf(fields[0])
    : "sha256";
  const expected = expectTag(
    fields.find(({ tag }) => tag === DerTag.OctetString),
    DerTag.OctetString,
  ).content;
  if (!sameBytes(expected, hashBytes(hash, certificate.bytes))) {
    throw new Error("it names another certificate");
  }
}

function checkSignature(
  { info, signer }: Token,
  certificate: Certificate,
): void {
  const [, , digestAlgorithm, signedAttributes, signatureAlgorithm, signature] =
    signer;
  const hash = hashOf(digestAlgorithm);
  const attributes = derChildren(expectTag(signedAttributes, 0xa0));
  const type = attribute(attributes, CONTENT_TYPE);
  if (derOid(type) !== TST_INFO) throw new Error("its type is not signed");
  const stated = expectTag(
    attribute(attributes, MESSAGE_DIGEST),
    DerTag.OctetString,
  ).content;
  if (!sameBytes(stated, hashBytes(hash, info))) {
    throw new Error("its content was changed");
  }
  checkNamedCertificate(attributes, certificate);
  // What is signed is the SET OF, not the implicit tag that it is stored with.
  const message = signedAttributes!.whole.slice();
  message[0] = DerTag.Set;
  const oid = derOid(derSequence(signatureAlgorithm)[0]);
  const { key } = certificate;
  const holds = key !== undefined && verifySignature(
    message,
    expectTag(signature, DerTag.OctetString).content,
    { key, scheme: { hash: SIGNATURE_HASHES[oid] ?? hash } },
  );
  if (!holds) throw new Error("its signature does not hold");
}

/** Options of {@linkcode verifyTimestamp}. */
export interface VerifyTimestampOptions {
  /** What was timestamped. */
  readonly message: Uint8Array;
  /** Who is trusted. */
  readonly roots: readonly Certificate[];
  /** Who may stand between, and who may have signed if the timestamp does not carry it. */
  readonly others?: readonly Certificate[];
}

/**
 * Verifies a timestamp.
 *
 * @param bytes DER of a TimeStampResp or of a bare token.
 * @returns When, in milliseconds since 1970.
 * @throws {Error} If it does not hold.
 */
export function verifyTimestamp(
  bytes: Uint8Array,
  { message, roots, others = [] }: VerifyTimestampOptions,
): number {
  if (bytes.length > MAX_TIMESTAMP) {
    throw new RangeError(`the timestamp is larger than ${MAX_TIMESTAMP} bytes`);
  }
  const token = readToken(bytes);
  const [, , imprint, , time] = derSequence(readDer(token.info));
  const [algorithm, hashed] = derSequence(imprint);
  const stated = expectTag(hashed, DerTag.OctetString).content;
  if (!sameBytes(stated, hashBytes(hashOf(algorithm), message))) {
    throw new Error("the timestamp is of another signature");
  }
  const at = derTime(time);
  const sid = token.signer[1];
  const known = [...token.certificates, ...others, ...roots];
  const certificate = known.find((one) =>
    sid !== undefined && isNamed(sid, one)
  );
  if (certificate === undefined) {
    throw new Error("the certificate of the timestamp's signer is not at hand");
  }
  checkSignature(token, certificate);
  if (!certificate.extendedKeyUsage?.includes(Oid.timeStamping)) {
    throw new Error("the timestamp's signer may not sign timestamps");
  }
  verifyChain(certificate, {
    roots,
    intermediates: [...others, ...token.certificates],
    time: at,
    purpose: Oid.timeStamping,
  });
  return at;
}
