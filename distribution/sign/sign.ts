/**
 * Signing images.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  EMPTY_DESCRIPTOR,
  type ImageManifest,
  MediaType,
  parseDigest,
  verifyBytes,
} from "@containerkit/oci";
import { createImage } from "../create_image.ts";
import type { Image } from "../image.ts";
import { BUNDLE_TYPE } from "./_bundle.ts";
import { encodeBase64, hashBytes } from "./_bytes.ts";
import {
  COSIGN_ARTIFACT,
  ENVELOPE,
  SIGNATURE,
  SIMPLE_SIGNING,
  writeSimpleSigning,
} from "./_cosign.ts";
import {
  encodePae,
  IN_TOTO,
  SIGNED,
  STATEMENT_TYPE,
  writeEnvelope,
} from "./_dsse.ts";
import {
  JWS,
  NOTATION_ARTIFACT,
  signNotation,
  THUMBPRINTS,
} from "./_notation.ts";
import { hashesFor, verifySignature } from "./_signature.ts";
import type { SignatureFormat } from "./policy.ts";
import { signatureTag } from "./signature_tag.ts";
import type { Signer } from "./signer.ts";

/** What was signed, for whoever keeps a log of it or says when. */
export interface SignedMessage {
  /** The message; of a statement it is the envelope's encoding. */
  readonly message: Uint8Array;
  /** The signature over it. */
  readonly signature: Uint8Array;
}

/** What proves when and that a signature was made. */
export interface SignatureProof {
  /** Entries of transparency logs, as Rekor's bundle format has them. */
  readonly tlogEntries?: readonly unknown[];
  /** DER of answers of timestamp authorities ([RFC 3161](https://www.rfc-editor.org/rfc/rfc3161)) to the signature. */
  readonly timestamps?: readonly Uint8Array[];
}

/** Options of {@linkcode sign}. */
export interface SignImageOptions {
  /**
   * The format: `bundle` is what cosign 3 writes, `cosign` what older verifiers read, `notation` what Notary Project reads.
   *
   * @default {"bundle"}
   */
  readonly format?: SignatureFormat;
  /** The name of the image, such as `registry.example.com/app`. `cosign` puts it under the signature and needs it. */
  readonly reference?: string;
  /** What else the signature says, by key. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Signs a statement about the image instead: an attestation. Not with `notation`. */
  readonly predicate?: {
    /** What kind of statement, such as `https://slsa.dev/provenance/v1`. */
    readonly type: string;
    /** What it says: JSON. */
    readonly value: unknown;
  };
  /**
   * Where the signature of `cosign` lies: under a tag made of the image's digest, or as a referrer as in the other formats.
   *
   * @default {"tag"}
   */
  readonly storage?: "tag" | "referrer";
  /** The signatures that lie under that tag already, which stay. */
  readonly append?: Image;
  /** The manifest itself, of `bundle`: signs its bytes rather than a statement about its digest. */
  readonly manifest?: Uint8Array;
  /** Fetches what proves when and that the signature was made, of `bundle`: it goes into the bundle. */
  readonly prove?: (signed: SignedMessage) => Promise<SignatureProof>;
  /**
   * When the signature is made, as it says.
   *
   * @default {now}
   */
  readonly created?: Date;
  /** When it ends, of `notation`. */
  readonly expires?: Date;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

interface Part {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const EMPTY = new TextEncoder().encode("{}");

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Signs, and checks the result: a key service with the wrong key is found here rather than by a verifier. */
async function signBytes(
  message: Uint8Array,
  { signer, signal, hash }: {
    signer: Signer;
    signal: AbortSignal | undefined;
    hash: "sha256" | "sha384" | "sha512";
  },
): Promise<Uint8Array> {
  const signature = await signer.sign(
    message,
    { hash },
    signal === undefined ? {} : { signal },
  );
  const key = signer.publicKey;
  if (!verifySignature(message, signature, { key, scheme: { hash } })) {
    throw new Error(
      `Cannot sign: what the signer returns is not signed by its key ${
        key.fingerprint.slice(0, 16)
      }`,
    );
  }
  return signature;
}

/** An envelope around a statement about an image. */
async function signStatement(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<SignedMessage & { envelope: Record<string, unknown> }> {
  const { reference, annotations, predicate, signal } = options;
  const { algorithm, hex } = parseDigest(subject.digest);
  const payload = encode({
    _type: STATEMENT_TYPE,
    subject: [{
      ...(reference === undefined || predicate === undefined
        ? {}
        : { name: reference }),
      digest: { [algorithm]: hex },
      ...(annotations === undefined ? {} : { annotations }),
    }],
    predicateType: predicate?.type ?? SIGNED,
    predicate: predicate?.value ?? {},
  });
  const message = encodePae(IN_TOTO, payload);
  const signature = await signBytes(message, {
    signer,
    signal,
    hash: hashesFor(signer.publicKey)[0]!,
  });
  const envelope = writeEnvelope({ payload, payloadType: IN_TOTO, signature });
  return { message, signature, envelope };
}

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

/** Makes an image of what is signed, which knows its own place in a repository. */
function toImage(
  manifest: ImageManifest,
  { config, layers }: {
    config: Uint8Array<ArrayBuffer>;
    layers: readonly Part[];
  },
  place: { readonly ownTag?: string; readonly append?: Image | undefined } = {},
): Image {
  const { ownTag = null, append } = place;
  const image = createImage(
    { manifest: encode(manifest), config },
    (layer, options) => {
      const own = layers.find(({ descriptor }) =>
        descriptor.digest === layer.digest
      );
      if (own !== undefined) {
        return Promise.resolve(new Blob([own.bytes]).stream());
      }
      return append!.layers.find(({ digest }) => digest === layer.digest)!
        .open(options);
    },
  );
  return { ...image, ownTag };
}

async function signBundle(
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

/** What a subject needs of a descriptor: annotations and platform are of where it was found. */
function toSubject({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

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

async function signCosign(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<Image> {
  const { storage = "tag", append, predicate } = options;
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
      ...(isReferrer ? {} : {
        ownTag: signatureTag(
          subject.digest,
          predicate === undefined ? "sig" : "att",
        ),
      }),
    },
  );
}

async function signJws(
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
    await signNotation(signer, {
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

/**
 * Signs an image, or a statement about it. A signature is an image itself: `push()` it to the reference of what it signs, and it goes where signatures of its
 * format are looked for.
 *
 * @param subject What is signed: the descriptor of a manifest or an index.
 * @param signer The key.
 * @param options The format, and what else is said.
 * @returns The signature, which `push()` takes.
 * @throws {TypeError} If the format needs a name or a certificate that is missing, or has no such key.
 * @throws {Error} If the signer signs with another key than it says.
 *
 * @example Usage
 * ```ts
 * import { generateKey, keySigner, sign } from "@containerkit/distribution/sign";
 * import { describe, MediaType } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const subject = describe(MediaType.Manifest, "{}");
 * const signer = keySigner(generateKey("ecdsa-p256").privateKey);
 * const signature = await sign(subject, signer);
 * assertEquals(signature.manifest.subject, subject);
 * ```
 */
export function sign(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions = {},
): Promise<Image> {
  switch (options.format ?? "bundle") {
    case "bundle":
      return signBundle(subject, signer, options);
    case "cosign":
      return signCosign(subject, signer, options);
    case "notation":
      return signJws(subject, signer, options);
  }
}
