/**
 * Asking for admission at the first moment at which it can be answered.
 *
 * @module
 */

import { type Descriptor, isLayerType, parseManifest } from "@containerkit/oci";
import { isDocument } from "../_is_document.ts";
import { readBlob } from "../_read_blob.ts";
import type { BlobStore } from "../blob_store.ts";
import type { Found } from "../pull.ts";
import type { ArchivedImage } from "./_docker_archive.ts";
import type { Staging } from "./_staging.ts";
import { markReferrers } from "./_to_imported.ts";
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

/** Asks about each image, by each of its names, but not about those that only say something of others: they are what the others are judged by. */
export async function admitImages(
  store: Pick<BlobStore, "stat" | "open">,
  images: readonly ImportedImage[],
  { admit, ...signal }: GateOptions,
): Promise<void> {
  const registry = storeRepository(store, images);
  for (const { descriptor, names, isReferrer } of images) {
    if (isReferrer) continue;
    for (const reference of names.length === 0 ? [descriptor.digest] : names) {
      await admit({ reference, descriptor, registry, ...signal });
    }
  }
}

/** Finds out what images are made of, as it comes to be known: what was looked at is not looked at again. */
class Survey {
  /** Digests of all that the images are made of, as far as that is known. */
  readonly wanted = new Set<string>();
  readonly #store: Pick<BlobStore, "stat" | "open">;
  readonly #signal: AbortSignal | undefined;
  /** What is still to be looked at. */
  readonly #stack: {
    readonly descriptor: Descriptor;
    readonly depth: number;
  }[];

  constructor(
    store: Pick<BlobStore, "stat" | "open">,
    images: readonly ArchivedImage[],
    signal: AbortSignal | undefined,
  ) {
    this.#store = store;
    this.#signal = signal;
    this.#stack = images.map(({ descriptor }) => ({ descriptor, depth: 0 }));
  }

  /**
   * Goes on until something is missing that could say more.
   *
   * @param passOver Whether to leave out what is missing instead.
   * @returns Whether all but the layers of images is there.
   */
  async advance(passOver = false): Promise<boolean> {
    for (let top = this.#stack.at(-1); top !== undefined;) {
      const { digest, mediaType } = top.descriptor;
      const isThere = this.wanted.has(digest) || isLayerType(mediaType) ||
        await this.#store.stat(digest) !== undefined;
      if (!isThere && !passOver) return false;
      this.#stack.pop();
      if (!this.wanted.has(digest)) {
        this.wanted.add(digest);
        if (isThere) await this.#push(top.descriptor, top.depth + 1);
      }
      top = this.#stack.at(-1);
    }
    return true;
  }

  async #push(descriptor: Descriptor, depth: number): Promise<void> {
    const { digest } = descriptor;
    if (!isDocument(descriptor)) return;
    if (depth > MAX_DEPTH) {
      throw new RangeError(
        `Cannot import "${digest}": indexes stand in one another more than ${MAX_DEPTH} deep`,
      );
    }
    const bytes = await readBlob(this.#store, descriptor, {
      limit: MANIFEST_LIMIT,
      signal: this.#signal,
    });
    const document = parseManifest(bytes, descriptor);
    const below = "manifests" in document
      ? document.manifests
      : [document.config, ...document.layers];
    for (const one of below.toReversed()) {
      this.#stack.push({ descriptor: one, depth });
    }
  }
}

/** A gate in front of a store. */
export function createGate(staging: Staging, options: GateOptions): Gate {
  const { signal } = options;
  let early: { images: readonly ArchivedImage[]; survey: Survey } | undefined;
  const finish = async (images: readonly ImportedImage[]) => {
    if (staging.isReleased) return;
    try {
      await admitImages(staging, images, options);
    } catch (error) {
      await staging.discard();
      throw error;
    }
    const survey = new Survey(staging, images, signal);
    await survey.advance(true);
    await staging.release(survey.wanted);
  };
  return {
    finish,
    async tryEarly(read) {
      if (staging.isReleased) return;
      if (early === undefined) {
        const images = read();
        early = { images, survey: new Survey(staging, images, signal) };
      }
      if (!await early.survey.advance()) return;
      await finish(await markReferrers(staging, early.images, signal));
    },
  };
}
