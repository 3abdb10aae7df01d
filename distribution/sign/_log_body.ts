/**
 * What a log entry says was signed, by whom, and whether that is what the bundle carries.
 *
 * @module
 */

import { decodeBase64, hashBytes, sameBytes } from "./_bytes.ts";
import { isRecord, type JsonRecord, parseJson, recordsOf } from "./_json.ts";
import { decodePem } from "./_pem.ts";
import { parsePublicKey } from "./public_key.ts";

/** What was signed, and how. */
export interface Signed {
  readonly signature: Uint8Array;
  /** DER of the certificate, or of the SubjectPublicKeyInfo, that it is checked with. */
  readonly verifier: Uint8Array;
  /** The exact bytes under the signature. */
  readonly message: Uint8Array;
  /** If it is a DSSE envelope, its payload and type. */
  readonly envelope?:
    | { readonly payload: Uint8Array; readonly payloadType: string }
    | undefined;
}

function fail(what: string): never {
  throw new Error(`the log entry is of another ${what}`);
}

function fromHex(value: unknown): Uint8Array {
  return typeof value === "string" && /^([0-9a-f]{2})*$/.test(value)
    ? Uint8Array.fromHex(value)
    : fail("form");
}

function record(value: unknown): JsonRecord {
  return isRecord(value) ? value : fail("form");
}

function checkDigest(expected: Uint8Array, actual: Uint8Array): void {
  if (!sameBytes(expected, actual)) fail("message");
}

/** Checks a verifier given as base64 of PEM, or as base64 of that. */
function checkPem(value: unknown, signed: Signed): void {
  let text = new TextDecoder().decode(decodeBase64(value));
  if (!text.includes("-----BEGIN")) {
    text = new TextDecoder().decode(decodeBase64(text));
  }
  const block = decodePem(text)[0];
  if (block === undefined) fail("key");
  const bytes = block.label === "CERTIFICATE"
    ? block.bytes
    : parsePublicKey(text).spki;
  if (!sameBytes(bytes, signed.verifier)) fail("key");
}

/** Checks a verifier of the entries of Rekor v2. */
function checkVerifier(value: unknown, signed: Signed): void {
  const { x509Certificate, publicKey } = record(value);
  const bytes = decodeBase64(record(x509Certificate ?? publicKey).rawBytes);
  if (!sameBytes(bytes, signed.verifier)) fail("key");
}

function checkSignature(value: unknown, signed: Signed): void {
  if (!sameBytes(decodeBase64(value), signed.signature)) fail("signature");
}

function checkHash(value: unknown, bytes: Uint8Array): void {
  const { algorithm, value: hex } = record(value);
  if (algorithm !== "sha256") fail("hash function");
  checkDigest(fromHex(hex), hashBytes("sha256", bytes));
}

/** The envelope of what was signed; an entry of an envelope can vouch for nothing else. */
function envelopeOf(signed: Signed): NonNullable<Signed["envelope"]> {
  return signed.envelope ?? fail("kind");
}

function only(list: unknown): JsonRecord {
  const [first, ...rest] = recordsOf(list);
  return first === undefined || rest.length > 0
    ? fail("number of signatures")
    : first;
}

/** Checks of each kind of entry, by kind and version. */
const CHECKS: Readonly<
  Record<string, (spec: JsonRecord, signed: Signed) => void>
> = {
  "hashedrekord 0.0.1": (spec, signed) => {
    const { algorithm, value } = record(record(spec.data).hash);
    if (algorithm !== "sha256") fail("hash function");
    checkDigest(fromHex(value), hashBytes("sha256", signed.message));
    const signature = record(spec.signature);
    checkSignature(signature.content, signed);
    checkPem(record(signature.publicKey).content, signed);
  },
  "hashedrekord 0.0.2": (spec, signed) => {
    const { data, signature } = record(spec.hashedRekordV002);
    const { algorithm, digest } = record(data);
    const bits = /^SHA2_(256|384|512)$/.exec(String(algorithm))?.[1];
    if (bits === undefined) fail("hash function");
    checkDigest(
      decodeBase64(digest),
      hashBytes(`sha${bits}`, signed.message),
    );
    const { content, verifier } = record(signature);
    checkSignature(content, signed);
    checkVerifier(verifier, signed);
  },
  "dsse 0.0.1": (spec, signed) => {
    checkHash(spec.payloadHash, envelopeOf(signed).payload);
    const { signature, verifier } = only(spec.signatures);
    checkSignature(signature, signed);
    checkPem(verifier, signed);
  },
  "dsse 0.0.2": (spec, signed) => {
    const { payloadHash, signatures } = record(spec.dsseV002);
    const { algorithm, digest } = record(payloadHash);
    if (algorithm !== "SHA2_256") fail("hash function");
    checkDigest(
      decodeBase64(digest),
      hashBytes("sha256", envelopeOf(signed).payload),
    );
    const { content, verifier } = only(signatures);
    checkSignature(content, signed);
    checkVerifier(verifier, signed);
  },
  "intoto 0.0.2": (spec, signed) => {
    const { envelope, payloadHash } = record(spec.content);
    checkHash(payloadHash, envelopeOf(signed).payload);
    const { payloadType, signatures } = record(envelope);
    if (payloadType !== envelopeOf(signed).payloadType) fail("payload type");
    const { sig, publicKey } = only(signatures);
    const inner = new TextDecoder().decode(decodeBase64(sig));
    checkSignature(inner, signed);
    checkPem(publicKey, signed);
  },
};

/**
 * Checks that a log entry is of this signature by this key over this message.
 *
 * @throws {Error} If it is of anything else, or of a kind that is not known.
 */
export function checkLogBody(body: Uint8Array, signed: Signed): void {
  const { apiVersion, kind, spec } = parseJson(body, "log entry");
  const check = Object.hasOwn(CHECKS, `${kind} ${apiVersion}`)
    ? CHECKS[`${kind} ${apiVersion}`]
    : undefined;
  if (check === undefined) {
    throw new Error(`log entries of kind ${kind} ${apiVersion} are not known`);
  }
  check(record(spec), signed);
}
