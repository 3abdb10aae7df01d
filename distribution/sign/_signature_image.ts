/**
 * What all formats of signatures have in common: signing bytes, and making an image of the result.
 *
 * @module
 */

import type { Descriptor, ImageManifest } from "@containerkit/oci";
import { createImage } from "../create_image.ts";
import type { Image } from "../image.ts";
import { verifySignature } from "./_signature.ts";
import type { SignatureScheme, Signer } from "./signer.ts";

export interface Part {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export const EMPTY = new TextEncoder().encode("{}");

export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Signs, and checks the result: a key service with the wrong key is found here rather than by a verifier. */
export async function signBytes(
  message: Uint8Array,
  { signer, signal, ...scheme }: SignatureScheme & {
    signer: Signer;
    signal: AbortSignal | undefined;
  },
): Promise<Uint8Array> {
  const signature = await signer.sign(
    message,
    scheme,
    signal === undefined ? {} : { signal },
  );
  const key = signer.publicKey;
  if (!verifySignature(message, signature, { key, scheme })) {
    throw new Error(
      `Cannot sign: what the signer returns is not signed by its key ${
        key.fingerprint.slice(0, 16)
      }`,
    );
  }
  return signature;
}

/** Characters of the longest tag that registries take. */
export const MAX_TAG = 128;

/** Makes an image of what is signed, which knows its own place in a repository. */
export function toImage(
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

/** What a subject needs of a descriptor: annotations and platform are of where it was found. */
export function toSubject({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
