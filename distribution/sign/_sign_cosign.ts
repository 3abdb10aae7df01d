/**
 * Signing in cosign's own format.
 *
 * @module
 */

import { describe, type Descriptor, MediaType } from "@containerkit/oci";
import type { Image } from "../image.ts";
import { encodeBase64 } from "./_bytes.ts";
import {
  COSIGN_ARTIFACT,
  ENVELOPE,
  SIGNATURE,
  SIMPLE_SIGNING,
  writeSimpleSigning,
} from "./_cosign.ts";
import { signStatement } from "./_sign_statement.ts";
import { hashesFor } from "./_signature.ts";
import {
  encode,
  MAX_TAG,
  type Part,
  signBytes,
  toImage,
  toSubject,
} from "./_signature_image.ts";
import type { SignImageOptions } from "./sign.ts";
import { signatureTag } from "./signature_tag.ts";
import type { Signer } from "./signer.ts";

/** The layer of cosign's own format: the payload, and the signature in its annotations. */
async function signPayload(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<Part> {
  const { reference, annotations = {}, signal } = options;
  if (reference === undefined) {
    throw new TypeError(
      "Cannot sign in the format of cosign: it needs the name of the image",
    );
  }
  const payload = writeSimpleSigning({
    reference,
    digest: subject.digest,
    annotations,
  });
  const signature = await signBytes(payload, {
    signer,
    signal,
    hash: hashesFor(signer.publicKey)[0]!,
  });
  return {
    descriptor: describe(SIMPLE_SIGNING, payload, {
      annotations: { [SIGNATURE]: encodeBase64(signature) },
    }),
    bytes: payload,
  };
}

async function signAttestation(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<Part> {
  const { envelope } = await signStatement(subject, signer, options);
  const bytes = encode(envelope);
  const annotations = {
    [SIGNATURE]: "",
    predicateType: options.predicate!.type,
  };
  return { descriptor: describe(ENVELOPE, bytes, { annotations }), bytes };
}

export async function signCosign(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<Image> {
  const { storage = "tag", append, predicate } = options;
  const tag = signatureTag(
    subject.digest,
    predicate === undefined ? "sig" : "att",
  );
  if (storage === "tag" && tag.length > MAX_TAG) {
    throw new TypeError(
      `Cannot sign in the format of cosign: the tag "${tag}" is longer than registries take; store it as a referrer`,
    );
  }
  const part = predicate === undefined
    ? await signPayload(subject, signer, options)
    : await signAttestation(subject, signer, options);
  const layers = [...append?.manifest.layers ?? [], part.descriptor];
  const isReferrer = storage === "referrer";
  const config = encode({
    architecture: "",
    os: "",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  return toImage(
    {
      schemaVersion: 2,
      mediaType: MediaType.Manifest,
      config: describe(isReferrer ? COSIGN_ARTIFACT : MediaType.Config, config),
      layers,
      ...(isReferrer ? { subject: toSubject(subject) } : {}),
    },
    { config, layers: [part] },
    {
      append,
      ...(isReferrer ? {} : { ownTag: tag }),
    },
  );
}
