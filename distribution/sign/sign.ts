/**
 * Signing images.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import type { Image } from "../image.ts";
import { signBundle } from "./_sign_bundle.ts";
import { signCosign } from "./_sign_cosign.ts";
import { signNotation } from "./_sign_notation.ts";
import type { SignatureFormat } from "./policy.ts";
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

/**
 * Signs an image, or a statement about it. A signature is an image itself: `push()` it to the reference of what it signs, and it goes where signatures of its
 * format are looked for.
 *
 * @param subject What is signed: the descriptor of a manifest or an index.
 * @param signer The key.
 * @param options The format, and what else is said.
 * @returns The signature, which `push()` takes.
 * @throws {TypeError} If the format needs a name or a certificate that is missing, has no such key, or would have a tag that is too long, as cosign's for an image by sha512.
 * @throws {Error} If the signer signs with another key than it says.
 *
 * @see https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
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
      return signNotation(subject, signer, options);
  }
}
