import type { Descriptor } from "@containerkit/oci";
import { type Certificate, Oid } from "./_certificate.ts";
import { verifyChain } from "./_chain.ts";
import { isRecord, type JsonRecord, listOf, parseJson } from "./_json.ts";
import { fitsName, readName } from "./_names.ts";
import {
  AUTHENTIC_TIME,
  EXPIRY,
  PAYLOAD_TYPE,
  SCHEME,
  schemeOf,
} from "./_notation.ts";
import type { ReadyCertificates } from "./_notation_authority.ts";
import type { NotationEnvelope } from "./_read_notation.ts";
import { verifySignature } from "./_signature.ts";
import { verifyTimestamp } from "./_timestamp.ts";

/** Headers that are obeyed here; a signature that insists on another one is refused. */
const KNOWN_HEADERS: readonly string[] = [SCHEME, EXPIRY, AUTHENTIC_TIME];
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
