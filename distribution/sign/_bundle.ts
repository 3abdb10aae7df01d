/**
 * Bundles of sigstore ([protobuf-specs](https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto)): a signature with all that is
 * needed to verify it.
 *
 * @module
 */

import { decodeBase64, hashBytes, sameBytes } from "./_bytes.ts";
import { encodePae, readEnvelope } from "./_dsse.ts";
import { isRecord, type JsonRecord, parseJson, recordsOf } from "./_json.ts";
import { readLogEntry } from "./_log_entry.ts";
import type { Material } from "./_material.ts";

/** The media type that is written. */
export const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BUNDLE_TYPE_REGEXP =
  /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.(3)\+json|\+json;version=0\.([123]))$/;
/** Entries, timestamps or certificates of one bundle that are read. */
const MAX_ITEMS = 32;

function fail(why: string): never {
  throw new SyntaxError(`Cannot parse bundle: ${why}`);
}

function items(value: unknown): readonly JsonRecord[] {
  const list = recordsOf(value);
  return list.length > MAX_ITEMS ? fail(`more than ${MAX_ITEMS} items`) : list;
}

function readCertificates(material: JsonRecord): Uint8Array[] {
  const { certificate, x509CertificateChain: chain } = material;
  const list = isRecord(certificate)
    ? [certificate]
    : items(isRecord(chain) ? chain.certificates : []);
  if (list.length === 0 && material.publicKey === undefined) {
    fail("neither a certificate nor a key");
  }
  return list.map(({ rawBytes }) => decodeBase64(rawBytes));
}

/** What is signed, by which bytes. */
function readContent(
  bundle: JsonRecord,
  content: Uint8Array | undefined,
): Pick<Material, "message" | "signature" | "envelope"> {
  const { dsseEnvelope, messageSignature } = bundle;
  if (dsseEnvelope !== undefined && messageSignature !== undefined) {
    fail("both an envelope and a signature");
  }
  if (dsseEnvelope !== undefined) {
    const envelope = readEnvelope(dsseEnvelope);
    return {
      message: encodePae(envelope.payloadType, envelope.payload),
      signature: envelope.signature,
      envelope,
    };
  }
  if (!isRecord(messageSignature)) fail("neither an envelope nor a signature");
  if (content === undefined) fail("the signed content is not at hand");
  const { messageDigest, signature } = messageSignature;
  if (messageDigest !== undefined) {
    const { algorithm, digest } = isRecord(messageDigest) ? messageDigest : {};
    const bits = /^SHA2_(256|384|512)$/.exec(String(algorithm))?.[1];
    if (
      bits === undefined ||
      !sameBytes(decodeBase64(digest), hashBytes(`sha${bits}`, content))
    ) fail("it is of other content");
  }
  return { message: content, signature: decodeBase64(signature) };
}

/**
 * Reads a bundle. Nothing is verified, and what is signed is not looked into.
 *
 * @param bytes The JSON document.
 * @param content What is signed, if it may be a bare signature.
 */
export function readBundle(
  bytes: Uint8Array,
  content: Uint8Array | undefined,
): Material {
  const bundle = parseJson(bytes, "bundle");
  const [, ...versions] = BUNDLE_TYPE_REGEXP.exec(String(bundle.mediaType)) ??
    fail(`media type ${JSON.stringify(bundle.mediaType)} is not known`);
  const material = bundle.verificationMaterial;
  if (!isRecord(material)) fail("there is no verification material");
  const { timestampVerificationData: stamps, tlogEntries } = material;
  const [certificate, ...chain] = readCertificates(material);
  return {
    ...readContent(bundle, content),
    certificate,
    chain,
    entries: items(tlogEntries).map(readLogEntry),
    // A promise was all that the first version had.
    needsProof: !versions.includes("1"),
    timestamps: items(isRecord(stamps) ? stamps.rfc3161Timestamps : [])
      .map(({ signedTimestamp }) => decodeBase64(signedTimestamp)),
  };
}
