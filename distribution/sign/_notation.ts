/**
 * Signatures of Notary Project
 * ([JWS envelopes](https://github.com/notaryproject/specifications/blob/main/specs/signature-envelope-jws.md)).
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import { decodeBase64, decodeBase64Url } from "./_bytes.ts";
import { type Certificate, Oid, parseCertificate } from "./_certificate.ts";
import { verifyChain } from "./_chain.ts";
import { isRecord, type JsonRecord, listOf, parseJson } from "./_json.ts";
import {
  fitsName,
  type NameAttributes,
  parseName,
  readName,
} from "./_names.ts";
import { decodePem } from "./_pem.ts";
import { verifySignature } from "./_signature.ts";
import { verifyTimestamp } from "./_timestamp.ts";
import type { CertificateAuthority } from "./policy.ts";
import type { PublicKey } from "./public_key.ts";
import type { SignatureScheme } from "./signer.ts";

/** The artifact type of signatures. */
export const NOTATION_ARTIFACT = "application/vnd.cncf.notary.signature";
/** The media type of the envelope. */
export const JWS = "application/jose+json";
/** The annotation that names the certificates. */
export const THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256";
export const PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json";
export const SCHEME = "io.cncf.notary.signingScheme";
export const SIGNING_TIME = "io.cncf.notary.signingTime";
const AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime";
export const EXPIRY = "io.cncf.notary.expiry";
const TIMESTAMP = "io.cncf.notary.timestampSignature";
export const AGENT = "io.cncf.notary.signingAgent";
/** Headers that are obeyed here; a signature that insists on another one is refused. */
const KNOWN_HEADERS: readonly string[] = [SCHEME, EXPIRY, AUTHENTIC_TIME];
/** Certificates of one envelope that are read. */
const MAX_CERTIFICATES = 16;
/** What a key may do besides signing that makes its certificate unfit. */
const UNFIT_USAGES: readonly string[] = [
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
];
/** What a certificate may be for that makes it unfit. */
const UNFIT_PURPOSES: readonly string[] = [
  Oid.anyExtendedKeyUsage,
  Oid.serverAuth,
  Oid.clientAuth,
  Oid.emailProtection,
  Oid.timeStamping,
];

/** Certificates that are trusted, ready to check with. */
export interface ReadyCertificates {
  readonly type: "certificate";
  readonly name: string;
  readonly roots: readonly Certificate[];
  /** Names one of which has to fit; `undefined` for any. */
  readonly subjects: readonly NameAttributes[] | undefined;
  readonly scheme: string;
  readonly timestampRoots: readonly Certificate[];
  readonly allowExpired: boolean;
  readonly revocation: "ignore" | "refuse";
}

/** An envelope, read but not verified. */
export interface NotationEnvelope {
  /** What is signed: both parts as they are encoded. */
  readonly message: Uint8Array;
  readonly payload: Uint8Array;
  readonly protected: Uint8Array;
  readonly signature: Uint8Array;
  readonly certificates: readonly Certificate[];
  readonly timestamp: Uint8Array | undefined;
}

/** What was proven of a signature. */
export interface ProvenNotation {
  /** The name of the leaf. */
  readonly subject: string;
  /** When it was made, if somebody trusted says so, in milliseconds since 1970. */
  readonly time?: number;
  /** What is past its end, where the policy allows that. */
  readonly expired?: string;
  /** What else the signature says, by key. */
  readonly annotations: Readonly<Record<string, string>>;
}

function readCertificates(pem: string): Certificate[] {
  return decodePem(pem).filter(({ label }) => label === "CERTIFICATE")
    .map(({ bytes }) => parseCertificate(bytes));
}

/** Reads an authority of a policy. */
export function prepareCertificates(
  authority: CertificateAuthority,
): ReadyCertificates {
  const { subjects = ["*"], roots, timestampRoots = "" } = authority;
  const certificates = readCertificates(roots);
  if (certificates.length === 0 || subjects.length === 0) {
    throw new TypeError(
      "Cannot use policy: a certificate authority needs roots and subjects",
    );
  }
  return {
    type: "certificate",
    name: authority.name ?? subjects.join(" or "),
    roots: certificates,
    subjects: subjects.includes("*") ? undefined : subjects.map(parseName),
    scheme: authority.scheme ?? "notary.x509",
    timestampRoots: readCertificates(timestampRoots),
    allowExpired: authority.allowExpired ?? false,
    revocation: authority.revocation ?? "ignore",
  };
}

/** How a key signs, and what JWS calls it: the spec leaves no choice. */
export function schemeOf(
  key: PublicKey,
): { name: string; scheme: SignatureScheme } | undefined {
  if (key.algorithm === "ed25519") return undefined;
  if (key.algorithm === "rsa") {
    const bits =
      ({ 2048: 256, 3072: 384, 4096: 512 } as const)[key.bits as 2048];
    return bits === undefined ? undefined : {
      name: `PS${bits}`,
      scheme: { hash: `sha${bits}`, padding: "pss" },
    };
  }
  const bits = ({
    "ecdsa-p256": 256,
    "ecdsa-p384": 384,
    "ecdsa-p521": 512,
  } as const)[key.algorithm];
  return { name: `ES${bits}`, scheme: { hash: `sha${bits}` } };
}

/** Reads an envelope. Nothing is verified, and neither payload nor protected headers are looked into. */
export function readNotation(bytes: Uint8Array): NotationEnvelope {
  const envelope = parseJson(bytes, "JWS envelope");
  const { payload, protected: headers, header, signature } = envelope;
  const { x5c, [TIMESTAMP]: timestamp } = isRecord(header) ? header : {};
  const chain = listOf(x5c);
  if (chain.length === 0 || chain.length > MAX_CERTIFICATES) {
    throw new SyntaxError(
      `Cannot parse JWS envelope: expected 1 to ${MAX_CERTIFICATES} certificates`,
    );
  }
  return {
    message: new TextEncoder().encode(`${headers}.${payload}`),
    payload: decodeBase64Url(payload),
    protected: decodeBase64Url(headers),
    signature: decodeBase64Url(signature),
    certificates: chain.map((one) => parseCertificate(decodeBase64(one))),
    timestamp: timestamp === undefined ? undefined : decodeBase64(timestamp),
  };
}

/** Whether a certificate names a place where its revocation is told. */
function tellsRevocation({ extensions }: Certificate): boolean {
  return extensions.has(Oid.crlDistributionPoints) ||
    extensions.has(Oid.authorityInfoAccess);
}

function checkLeaf({ keyUsage, extendedKeyUsage, isCa }: Certificate): void {
  const isFit = !isCa && keyUsage?.includes("digitalSignature") &&
    !UNFIT_USAGES.some((usage) =>
      (keyUsage as readonly string[]).includes(usage)
    ) &&
    (extendedKeyUsage === undefined ||
      extendedKeyUsage.includes(Oid.codeSigning)) &&
    !extendedKeyUsage?.some((purpose) => UNFIT_PURPOSES.includes(purpose));
  if (!isFit) throw new Error("the certificate is not for signing code");
}

function readTime(value: unknown, name: string): number {
  const isTime = typeof value === "string" &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value);
  const time = isTime ? Date.parse(value) : NaN;
  if (Number.isNaN(time)) throw new Error(`its ${name} is malformed`);
  return time;
}

/** The protected headers, checked for what must be there and for what nobody here knows. */
function readHeaders(
  envelope: NotationEnvelope,
  expected: { alg: string; scheme: string },
): JsonRecord {
  const headers = parseJson(envelope.protected, "protected headers");
  if (headers.alg !== expected.alg) {
    throw new Error(
      `it says ${headers.alg}, but its key signs with ${expected.alg}`,
    );
  }
  if (headers.cty !== PAYLOAD_TYPE) {
    throw new Error(`its content is ${JSON.stringify(headers.cty)}`);
  }
  const critical = listOf(headers.crit);
  const unknown = critical.find((name) =>
    !KNOWN_HEADERS.includes(String(name))
  );
  if (unknown !== undefined) throw new Error(`header ${unknown} is not known`);
  const needed = [
    SCHEME,
    ...(headers[EXPIRY] === undefined ? [] : [EXPIRY]),
    ...(headers[AUTHENTIC_TIME] === undefined ? [] : [AUTHENTIC_TIME]),
  ];
  const loose = needed.find((name) => !critical.includes(name));
  if (loose !== undefined) throw new Error(`header ${loose} is not critical`);
  if (headers[SCHEME] !== expected.scheme) {
    throw new Error(
      `its scheme is ${headers[SCHEME]}, and ${expected.scheme} is trusted`,
    );
  }
  return headers;
}

/** The moment at which the certificates have to hold, and whether somebody trusted says so. */
function momentOf(
  envelope: NotationEnvelope,
  { headers, authority, now }: {
    headers: JsonRecord;
    authority: ReadyCertificates;
    now: number;
  },
): { time: number; isProven: boolean } {
  if (authority.scheme === "notary.x509.signingAuthority") {
    return {
      time: readTime(headers[AUTHENTIC_TIME], AUTHENTIC_TIME),
      isProven: true,
    };
  }
  if (
    envelope.timestamp === undefined || authority.timestampRoots.length === 0
  ) {
    return { time: now, isProven: false };
  }
  const time = verifyTimestamp(envelope.timestamp, {
    message: envelope.signature,
    roots: authority.timestampRoots,
  });
  return { time, isProven: true };
}

function checkTarget(
  payload: Uint8Array,
  subject: Descriptor,
): Record<string, string> {
  const { targetArtifact } = parseJson(payload, "payload");
  const { mediaType, digest, size, annotations } = isRecord(targetArtifact)
    ? targetArtifact
    : {};
  if (
    digest !== subject.digest || size !== subject.size ||
    mediaType !== subject.mediaType
  ) throw new Error("it is of another image");
  return Object.fromEntries(
    Object.entries(isRecord(annotations) ? annotations : {}).filter((
      entry,
    ): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Options of {@linkcode verifyNotation}. */
export interface VerifyNotationOptions {
  readonly subject: Descriptor;
  readonly authority: ReadyCertificates;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Verifies an envelope against an authority.
 *
 * @throws {Error} If it does not hold, with the reason.
 */
export function verifyNotation(
  envelope: NotationEnvelope,
  { subject, authority, now }: VerifyNotationOptions,
): ProvenNotation {
  const [leaf, ...intermediates] = envelope.certificates;
  const key = leaf!.key;
  const how = key === undefined ? undefined : schemeOf(key);
  if (
    key === undefined || how === undefined ||
    !verifySignature(envelope.message, envelope.signature, {
      key,
      scheme: how.scheme,
      raw: true,
    })
  ) throw new Error("the key of the certificate did not sign");
  const headers = readHeaders(envelope, {
    alg: how.name,
    scheme: authority.scheme,
  });
  checkLeaf(leaf!);
  const { time, isProven } = momentOf(envelope, { headers, authority, now });
  const expiry = headers[EXPIRY] === undefined
    ? Infinity
    : readTime(headers[EXPIRY], EXPIRY);
  const expired: string[] = [];
  if (now > expiry) {
    expired.push(`the signature ended ${new Date(expiry).toISOString()}`);
  }
  if (time > leaf!.notAfter) {
    expired.push(
      `the certificate ended ${new Date(leaf!.notAfter).toISOString()}`,
    );
  }
  if (expired.length > 0 && !authority.allowExpired) {
    throw new Error(expired[0]);
  }
  const chain = verifyChain(leaf!, {
    roots: authority.roots,
    intermediates,
    time: authority.allowExpired ? Math.min(time, leaf!.notAfter) : time,
  });
  if (authority.revocation === "refuse" && chain.some(tellsRevocation)) {
    throw new Error(
      "whether its certificate was revoked cannot be told offline",
    );
  }
  const name = readName(leaf!.subject);
  const text = name.map(([type, value]) => `${type}=${value}`).join(",");
  if (authority.subjects?.some((rule) => fitsName(name, rule)) === false) {
    throw new Error(`it is of ${text}`);
  }
  return {
    subject: text,
    annotations: checkTarget(envelope.payload, subject),
    ...(isProven ? { time } : {}),
    ...(expired.length > 0 ? { expired: expired.join("; ") } : {}),
  };
}
