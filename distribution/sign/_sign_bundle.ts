/**
 * Signing as sigstore's bundles.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  EMPTY_DESCRIPTOR,
  MediaType,
  verifyBytes,
} from "@containerkit/oci";
import type { Image } from "../image.ts";
import { BUNDLE_TYPE } from "./_bundle.ts";
import { encodeBase64, hashBytes } from "./_bytes.ts";
import { SIGNED } from "./_dsse.ts";
import { signStatement } from "./_sign_statement.ts";
import { hashesFor } from "./_signature.ts";
import {
  EMPTY,
  encode,
  signBytes,
  toImage,
  toSubject,
} from "./_signature_image.ts";
import type { SignedMessage, SignImageOptions } from "./sign.ts";
import type { Signer } from "./signer.ts";

/** A signature over the manifest itself. */
async function signManifest(
  manifest: Uint8Array,
  { subject, signer, options }: {
    subject: Descriptor;
    signer: Signer;
    options: SignImageOptions;
  },
): Promise<SignedMessage> {
  verifyBytes(manifest, subject);
  const { predicate, annotations, signal } = options;
  if (predicate !== undefined || annotations !== undefined) {
    throw new TypeError(
      "Cannot sign the manifest itself: a statement or annotations need an envelope",
    );
  }
  const hash = hashesFor(signer.publicKey)[0]!;
  const signature = await signBytes(manifest, { signer, signal, hash });
  return { message: manifest, signature };
}

export async function signBundle(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<Image> {
  const { created = new Date(), predicate, manifest, prove } = options;
  const signed = manifest === undefined
    ? await signStatement(subject, signer, options)
    : await signManifest(manifest, { subject, signer, options });
  const { tlogEntries = [], timestamps = [] } = await prove?.(signed) ?? {};
  const [certificate] = signer.certificates ?? [];
  const bytes = encode({
    mediaType: BUNDLE_TYPE,
    verificationMaterial: {
      ...(certificate === undefined
        ? {
          publicKey: {
            hint: encodeBase64(hashBytes("sha256", signer.publicKey.spki)),
          },
        }
        : { certificate: { rawBytes: encodeBase64(certificate) } }),
      ...(tlogEntries.length === 0 ? {} : { tlogEntries }),
      ...(timestamps.length === 0 ? {} : {
        timestampVerificationData: {
          rfc3161Timestamps: timestamps.map((timestamp) => ({
            signedTimestamp: encodeBase64(timestamp),
          })),
        },
      }),
    },
    ...("envelope" in signed ? { dsseEnvelope: signed.envelope } : {
      messageSignature: {
        messageDigest: {
          algorithm: "SHA2_256",
          digest: encodeBase64(hashBytes("sha256", signed.message)),
        },
        signature: encodeBase64(signed.signature),
      },
    }),
  });
  const layer = { descriptor: describe(BUNDLE_TYPE, bytes), bytes };
  return toImage({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    artifactType: BUNDLE_TYPE,
    config: EMPTY_DESCRIPTOR,
    layers: [layer.descriptor],
    subject: toSubject(subject),
    annotations: {
      "dev.sigstore.bundle.content": manifest === undefined
        ? "dsse-envelope"
        : "message-signature",
      ...(manifest === undefined
        ? { "dev.sigstore.bundle.predicateType": predicate?.type ?? SIGNED }
        : {}),
      "org.opencontainers.image.created": created.toISOString(),
    },
  }, { config: EMPTY, layers: [layer] });
}
