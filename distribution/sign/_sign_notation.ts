/**
 * Signing as Notary Project's envelopes.
 *
 * @module
 */

import { describe, type Descriptor, MediaType } from "@containerkit/oci";
import type { Image } from "../image.ts";
import { encodeBase64, encodeBase64Url, hashBytes } from "./_bytes.ts";
import {
  AGENT,
  EXPIRY,
  JWS,
  NOTATION_ARTIFACT,
  PAYLOAD_TYPE,
  SCHEME,
  schemeOf,
  SIGNING_TIME,
  THUMBPRINTS,
} from "./_notation.ts";
import { rawSignature, rawSize } from "./_signature.ts";
import { EMPTY, signBytes, toImage, toSubject } from "./_signature_image.ts";
import type { SignImageOptions } from "./sign.ts";
import type { Signer } from "./signer.ts";

interface EnvelopeOptions {
  readonly subject: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
  readonly created: Date;
  readonly expires?: Date;
  readonly signal?: AbortSignal;
}

function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** Makes an envelope. */
async function makeEnvelope(
  signer: Signer,
  { subject, annotations, created, expires, signal }: EnvelopeOptions,
): Promise<Uint8Array> {
  const { certificates = [], publicKey } = signer;
  const how = schemeOf(publicKey);
  if (certificates.length === 0) {
    throw new TypeError(
      "Cannot sign for notation: the signer has no certificate",
    );
  }
  if (how === undefined) {
    throw new TypeError(
      `Cannot sign for notation: it knows no ${publicKey.algorithm} of ${publicKey.bits} bits`,
    );
  }
  const { mediaType, digest, size } = subject;
  const hasMore = Object.keys(annotations).length > 0;
  const encode = (value: unknown) =>
    encodeBase64Url(new TextEncoder().encode(JSON.stringify(value)));
  const payload = encode({
    targetArtifact: {
      mediaType,
      digest,
      size,
      ...(hasMore ? { annotations } : {}),
    },
  });
  const headers = encode({
    alg: how.name,
    crit: [SCHEME, ...(expires === undefined ? [] : [EXPIRY])],
    cty: PAYLOAD_TYPE,
    [SCHEME]: "notary.x509",
    [SIGNING_TIME]: seconds(created),
    ...(expires === undefined ? {} : { [EXPIRY]: seconds(expires) }),
  });
  const message = new TextEncoder().encode(`${headers}.${payload}`);
  const signature = await signBytes(message, {
    signer,
    signal,
    ...how.scheme,
  });
  return new TextEncoder().encode(JSON.stringify({
    payload,
    protected: headers,
    header: {
      x5c: certificates.map(encodeBase64),
      [AGENT]: "containerkit",
    },
    signature: encodeBase64Url(
      rawSize(publicKey) === undefined
        ? signature
        : rawSignature(signature, publicKey),
    ),
  }));
}

export async function signNotation(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<Image> {
  const { created = new Date(), annotations = {}, expires, signal } = options;
  if (options.predicate !== undefined) {
    throw new TypeError(
      "Cannot sign a statement in the format of notation: it has none",
    );
  }
  const bytes = new Uint8Array(
    await makeEnvelope(signer, {
      subject,
      annotations,
      created,
      ...(expires === undefined ? {} : { expires }),
      ...(signal === undefined ? {} : { signal }),
    }),
  );
  const layer = { descriptor: describe(JWS, bytes), bytes };
  const thumbprints = signer.certificates!.map((certificate) =>
    hashBytes("sha256", certificate).toHex()
  );
  return toImage({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    // Notation itself names the kind by its config, and so do registries' lists then.
    config: { ...describe(NOTATION_ARTIFACT, EMPTY) },
    layers: [layer.descriptor],
    subject: toSubject(subject),
    annotations: {
      [THUMBPRINTS]: JSON.stringify(thumbprints),
      "org.opencontainers.image.created": created.toISOString(),
    },
  }, { config: EMPTY, layers: [layer] });
}
