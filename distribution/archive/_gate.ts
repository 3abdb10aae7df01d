/**
 * Asking for admission at the first moment at which it can be answered.
 *
 * @module
 */

import {
  type Descriptor,
  isIndexType,
  isLayerType,
  isManifestType,
  parseManifest,
} from "@containerkit/oci";
import { readBlob } from "../_read_blob.ts";
import type { BlobStore } from "../blob_store.ts";
import type { Found } from "../pull.ts";
import type { ArchivedImage } from "./_docker_archive.ts";
import type { Staging } from "./_staging.ts";
import { isReferrer } from "./_to_imported.ts";
import { MANIFEST_LIMIT } from "./_walk.ts";
import type { ImportedImage } from "./import_archive.ts";
import { storeRepository } from "./store_repository.ts";

const MAX_DEPTH = 8;

/** What a gate asks. */
export interface GateOptions {
  readonly admit: (found: Found) => Promise<unknown>;
  readonly signal?: AbortSignal;
}

/** Lets content into the store once its images are admitted. */
export interface Gate {
  /** Asks now if all that could speak for the images is there. */
  tryEarly(images: () => readonly ArchivedImage[]): Promise<void>;
  /** Asks, unless that is done. */
  finish(images: readonly ImportedImage[]): Promise<void>;
}

/** Asks about each image but those that only say something of others: they are what the others are judged by. */
export async function admitImages(
  store: Pick<BlobStore, "stat" | "open">,
  images: readonly ImportedImage[],
  { admit }: GateOptions,
): Promise<void> {
  const registry = storeRepository(store, images);
  for (const { descriptor, names, isReferrer } of images) {
    if (isReferrer) continue;
    for (const reference of names.length === 0 ? [descriptor.digest] : names) {
      await admit({ reference, descriptor, registry });
    }
  }
}

/** What images are made of, as far as that is known. */
interface Survey {
  /** Digests of all that the images are made of. */
  readonly wanted: Set<string>;
  /** Whether all but the layers of images is there, so that nothing can come that says more. */
  isSettled: boolean;
}

/** Finds out what images are made of. */
async function survey(
  store: BlobStore,
  images: readonly ArchivedImage[],
  signal: AbortSignal | undefined,
): Promise<Survey> {
  const found: Survey = { wanted: new Set(), isSettled: true };
  const visit = async (descriptor: Descriptor, depth: number) => {
    const { digest, mediaType } = descriptor;
    if (found.wanted.has(digest)) return;
    found.wanted.add(digest);
    if (isLayerType(mediaType)) return;
    if (await store.stat(digest) === undefined || depth > MAX_DEPTH) {
      found.isSettled = false;
      return;
    }
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return;
    const document = parseManifest(
      await readBlob(store, descriptor, { limit: MANIFEST_LIMIT, signal }),
      descriptor,
    );
    const below = "manifests" in document
      ? document.manifests
      : [document.config, ...document.layers];
    for (const one of below) await visit(one, depth + 1);
  };
  for (const { descriptor } of images) await visit(descriptor, 0);
  return found;
}

/** A gate in front of a store. */
export function createGate(staging: Staging, options: GateOptions): Gate {
  const { signal } = options;
  let seen = 0;
  const finish = async (images: readonly ImportedImage[]) => {
    if (staging.isReleased) return;
    try {
      await admitImages(staging, images, options);
    } catch (error) {
      await staging.discard();
      throw error;
    }
    await staging.release((await survey(staging, images, signal)).wanted);
  };
  return {
    finish,
    async tryEarly(read) {
      if (staging.isReleased || staging.count === seen) return;
      seen = staging.count;
      const images = read();
      if (!(await survey(staging, images, signal)).isSettled) return;
      const found: ImportedImage[] = [];
      for (const image of images) {
        found.push({
          ...image,
          isReferrer: await isReferrer(staging, image, signal),
        });
      }
      await finish(found);
    },
  };
}
