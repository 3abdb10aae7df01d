/**
 * All content that an image is made of.
 *
 * @module
 */

import {
  type Descriptor,
  DigestMismatchError,
  type ImageIndex,
  type ImageManifest,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import { checkPlatforms, choosePlatforms } from "../_choose_platforms.ts";
import { isDocument } from "../_is_document.ts";
import type { BlobStore } from "../blob_store.ts";
import { readBlob } from "../_read_blob.ts";
import type { CallOptions } from "../_store.ts";

/** The largest manifest that is read, in bytes. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;
/** How deep indexes may stand in one another. */
const MAX_DEPTH = 8;
/** How much there may be below one descriptor. */
const MAX_CONTENT = 100_000;

/** What is to be walked through. */
export interface WalkOptions extends CallOptions {
  /** The platforms of which the images are wanted, each of which has to be there; by default all. */
  readonly platforms?: readonly Platform[] | undefined;
  /** What to do about content that the store does not have. */
  readonly missing: "skip" | "fail";
}

/**
 * Walks through a manifest or an index, and all that is below, each once: what is below first.
 *
 * @throws {Deno.errors.NotFound} If something is missing and must not be, or there is no image for one of the platforms.
 * @throws {DigestMismatchError} If something has another size than is said where it is named.
 * @throws {RangeError} If there is more than anyone would put there.
 */
export function walk(
  store: Pick<BlobStore, "stat" | "open">,
  descriptor: Descriptor,
  options: WalkOptions,
): AsyncGenerator<Descriptor> {
  const work = { ...options, store, seen: new Map<string, number>() };
  return visit(descriptor, { depth: 0, isEntry: false }, work);
}

/** Where something stands: how deep, and whether an index lists it. */
interface Place {
  readonly depth: number;
  readonly isEntry: boolean;
}

interface Work extends WalkOptions {
  readonly store: Pick<BlobStore, "stat" | "open">;
  /** Sizes of what was walked through. */
  readonly seen: Map<string, number>;
}

/** What is right below a manifest or an index. */
async function partsOf(
  document: ImageManifest | ImageIndex,
  name: string,
  { store, platforms, signal }: Omit<Work, "seen" | "missing">,
): Promise<readonly Descriptor[]> {
  const wanted = platforms && {
    platforms,
    name,
    read: (descriptor: Descriptor, limit: number) =>
      readBlob(store, descriptor, { limit, signal }),
  };
  if (!("manifests" in document)) {
    if (wanted !== undefined) await checkPlatforms(document, wanted);
    return [document.config, ...document.layers];
  }
  if (wanted === undefined) return document.manifests;
  const { images, attestations } = await choosePlatforms(document, wanted);
  const parts = [...images];
  for (const one of attestations) {
    // A pull of one platform leaves them in the registry.
    if (await store.stat(one.digest) !== undefined) parts.push(one);
  }
  return parts;
}

async function* visit(
  descriptor: Descriptor,
  { depth, isEntry }: Place,
  work: Work,
): AsyncGenerator<Descriptor> {
  const { digest, mediaType, size } = descriptor;
  const { store, seen, missing, platforms, signal } = work;
  // What stands there as a layer too is still walked through as a manifest.
  const key = isDocument(descriptor) ? `manifest ${digest}` : digest;
  if (seen.get(key) === size) return;
  if (depth > MAX_DEPTH || seen.set(key, size).size > MAX_CONTENT) {
    throw new RangeError(
      `Cannot walk through "${digest}": indexes stand in one another more than ${MAX_DEPTH} deep, or there is more than ${MAX_CONTENT} in them`,
    );
  }
  const stat = await store.stat(digest);
  if (stat === undefined) {
    // Parts of one image are never left out, only what an index lists; the same may be a part of something else.
    if (missing === "skip" && isEntry) return void seen.delete(key);
    throw new Deno.errors.NotFound(
      `Cannot find "${digest}" (${mediaType}): the store does not have it`,
    );
  }
  if (stat.size !== size) {
    throw new DigestMismatchError(`walk through "${digest}"`, {
      expected: `${size} bytes`,
      actual: `${stat.size} bytes`,
    });
  }
  if (isDocument(descriptor)) {
    const limit = MANIFEST_LIMIT;
    const bytes = await readBlob(store, descriptor, { limit, signal });
    const document = parseManifest(bytes, { mediaType });
    const below = await partsOf(document, digest, {
      store,
      platforms: depth === 0 ? platforms : undefined,
      signal,
    });
    const place = { depth: depth + 1, isEntry: "manifests" in document };
    for (const one of below) yield* visit(one, place, work);
  }
  yield descriptor;
}
