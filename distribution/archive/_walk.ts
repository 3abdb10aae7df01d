/**
 * All content that an image is made of.
 *
 * @module
 */

import {
  choosePlatform,
  type Descriptor,
  formatPlatform,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import { checkPlatform, type ReadSmall } from "../_choose.ts";
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
  /** The platforms that are wanted; by default all. */
  readonly platforms?: readonly Platform[] | undefined;
  /** What to do about content that the store does not have. */
  readonly missing: "skip" | "fail";
}

/** The manifests of an index that are wanted. */
function chosen(
  manifests: readonly Descriptor[],
  platforms: readonly Platform[] | undefined,
): readonly Descriptor[] {
  if (platforms === undefined) return manifests;
  const found = platforms.map((platform) =>
    choosePlatform(manifests, platform)
  );
  return manifests.filter((manifest) => found.includes(manifest));
}

/**
 * Checks that there is an image for one of the platforms at least: of an index without any nothing but itself would be
 * taken, and an image that is alone would be taken for what it is not.
 *
 * @throws {Deno.errors.NotFound} If there is none.
 */
export async function checkPlatforms(
  store: Pick<BlobStore, "open">,
  descriptor: Descriptor,
  { platforms, signal }: Pick<WalkOptions, "platforms" | "signal">,
): Promise<void> {
  if (platforms === undefined || !isDocument(descriptor)) return;
  const read: ReadSmall = (blob, limit) =>
    readBlob(store, blob, { limit, signal });
  const name = descriptor.digest;
  const document = parseManifest(
    await read(descriptor, MANIFEST_LIMIT),
    descriptor,
  );
  if (!("manifests" in document)) {
    let refusal: unknown;
    for (const wanted of platforms) {
      try {
        return await checkPlatform(document, { wanted, read, name });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        refusal = error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return;
  }
  if (chosen(document.manifests, platforms).length > 0) return;
  throw new Deno.errors.NotFound(
    `Cannot choose from "${name}": it has no image for ${
      platforms.map(formatPlatform).join(" or ")
    }`,
  );
}

/**
 * Walks through a manifest or an index, and all that is below, each once: what is below first.
 *
 * @throws {Deno.errors.NotFound} If something is missing and must not be.
 * @throws {RangeError} If there is more than anyone would put there.
 */
export function walk(
  store: Pick<BlobStore, "stat" | "open">,
  descriptor: Descriptor,
  options: WalkOptions,
): AsyncGenerator<Descriptor> {
  return visit(descriptor, 0, { ...options, store, seen: new Set() });
}

async function* visit(
  descriptor: Descriptor,
  depth: number,
  work: WalkOptions & {
    readonly store: Pick<BlobStore, "stat" | "open">;
    readonly seen: Set<string>;
  },
): AsyncGenerator<Descriptor> {
  const { digest, mediaType } = descriptor;
  const { store, seen, missing, platforms, signal } = work;
  // What stands there as a layer too is still walked through as a manifest.
  const key = isDocument(descriptor) ? `manifest ${digest}` : digest;
  if (seen.has(key)) return;
  if (depth > MAX_DEPTH || seen.add(key).size > MAX_CONTENT) {
    throw new RangeError(
      `Cannot walk through "${digest}": indexes stand in one another more than ${MAX_DEPTH} deep, or there is more than ${MAX_CONTENT} in them`,
    );
  }
  if (await store.stat(digest) === undefined) {
    // Parts of one image are never left out: only whole manifests of an index.
    if (missing === "skip" && depth > 0 && isDocument(descriptor)) return;
    throw new Deno.errors.NotFound(
      `Cannot find "${digest}" (${mediaType}): the store does not have it`,
    );
  }
  if (isDocument(descriptor)) {
    const limit = MANIFEST_LIMIT;
    const bytes = await readBlob(store, descriptor, { limit, signal });
    const document = parseManifest(bytes, { mediaType });
    const below = "manifests" in document
      ? chosen(document.manifests, platforms)
      : [document.config, ...document.layers];
    for (const one of below) yield* visit(one, depth + 1, work);
  }
  yield descriptor;
}
