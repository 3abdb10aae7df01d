/**
 * Cosign's own format ([simple signing](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)): a payload that names the image, as a layer
 * whose annotations hold the signature.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import { decodeBase64 } from "./_bytes.ts";
import { isSelfSigned, parseCertificate } from "./_certificate.ts";
import { encodePae, readEnvelope } from "./_dsse.ts";
import { isRecord, type JsonRecord, parseJson } from "./_json.ts";
import { type LogEntry, readCosignLogEntry } from "./_log_entry.ts";
import type { Material } from "./_material.ts";
import { decodePem } from "./_pem.ts";

/** The media type of the payload. */
export const SIMPLE_SIGNING =
  "application/vnd.dev.cosign.simplesigning.v1+json";
/** The media type of the config where the signature is a referrer: it names the kind of artifact. */
export const COSIGN_ARTIFACT =
  "application/vnd.dev.cosign.artifact.sig.v1+json";
/** The media type of an attestation: an envelope. */
export const ENVELOPE = "application/vnd.dsse.envelope.v1+json";
/** The annotation that holds the signature. */
export const SIGNATURE = "dev.cosignproject.cosign/signature";
const CERTIFICATE = "dev.sigstore.cosign/certificate";
const CHAIN = "dev.sigstore.cosign/chain";
const BUNDLE = "dev.sigstore.cosign/bundle";
const TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp";
const TYPE = "cosign container image signature";

/** What a payload says. */
export interface SimpleSigning {
  /** The name the image was signed as. */
  readonly reference: string;
  /** The digest of the image. */
  readonly digest: string;
  /** What else it says, by key. */
  readonly annotations: Readonly<Record<string, unknown>>;
}

function certificates(text: string | undefined): Uint8Array[] {
  return decodePem(text ?? "")
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ bytes }) => bytes);
}

function annotationJson(text: string | undefined): JsonRecord | undefined {
  return text === undefined
    ? undefined
    : parseJson(new TextEncoder().encode(text), "annotation");
}

function logEntries(text: string | undefined): LogEntry[] {
  const bundle = annotationJson(text);
  return bundle === undefined ? [] : [readCosignLogEntry(bundle)];
}

function timestamps(text: string | undefined): Uint8Array[] {
  const stamp = annotationJson(text);
  return stamp === undefined
    ? []
    : [decodeBase64(stamp.SignedRFC3161Timestamp)];
}

/** Reads what came with a signature. Nothing is verified. */
function readAnnotations(
  { annotations = {} }: Descriptor,
): Omit<Material, "message" | "signature"> {
  const [certificate, ...rest] = certificates(annotations[CERTIFICATE]);
  return {
    certificate,
    chain: [...rest, ...certificates(annotations[CHAIN])]
      // Cosign gives the chain with its root; only the roots of a policy count.
      .filter((der) => !isSelfSigned(parseCertificate(der))),
    entries: logEntries(annotations[BUNDLE]),
    needsProof: false,
    timestamps: timestamps(annotations[TIMESTAMP]),
  };
}

/** Reads a signature of a layer and its payload, which is not looked into. Nothing is verified. */
export function readCosignLayer(
  layer: Descriptor,
  payload: Uint8Array,
): Material {
  return {
    ...readAnnotations(layer),
    message: payload,
    signature: decodeBase64(layer.annotations?.[SIGNATURE]),
  };
}

/** Reads an attestation of a layer and its envelope, whose payload is not looked into. Nothing is verified. */
export function readAttestationLayer(
  layer: Descriptor,
  bytes: Uint8Array,
): Material {
  const envelope = readEnvelope(parseJson(bytes, "DSSE envelope"));
  return {
    ...readAnnotations(layer),
    message: encodePae(envelope.payloadType, envelope.payload),
    signature: envelope.signature,
    envelope,
  };
}

/** Reads a payload; only once the signature over it holds. */
export function parseSimpleSigning(payload: Uint8Array): SimpleSigning {
  const { critical, optional } = parseJson(payload, "payload");
  const { identity, image, type } = isRecord(critical) ? critical : {};
  const reference = isRecord(identity)
    ? identity["docker-reference"]
    : undefined;
  const digest = isRecord(image) ? image["docker-manifest-digest"] : undefined;
  if (type !== TYPE) throw new Error(`it is of type ${JSON.stringify(type)}`);
  if (typeof reference !== "string" || typeof digest !== "string") {
    throw new Error("it does not name an image");
  }
  return { reference, digest, annotations: isRecord(optional) ? optional : {} };
}

/** Writes a payload. */
export function writeSimpleSigning(
  { reference, digest, annotations }: SimpleSigning,
): Uint8Array<ArrayBuffer> {
  const hasMore = Object.keys(annotations).length > 0;
  return new TextEncoder().encode(JSON.stringify({
    critical: {
      identity: { "docker-reference": reference },
      image: { "docker-manifest-digest": digest },
      type: TYPE,
    },
    optional: hasMore ? annotations : null,
  }));
}
