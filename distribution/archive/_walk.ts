/**
 * All content that an image is made of.
 *
 * @module
 */

import {
  choosePlatform,
  type Descriptor,
  isIndexType,
  isManifestType,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import { readBlob } from "../_read_blob.ts";
import type { CallOptions } from "../_store.ts";

/** The largest manifest that is read, in bytes. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;
/** How deep indexes may stand in one another. */
const MAX_DEPTH = 8;

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
 * Walks through a manifest or an index, and all that is below, what is above first. Content that stands there twice comes twice.
 *
 * @throws {Deno.errors.NotFound} If something is missing and must not be.
 */
export async function* walk(
  store: Pick<BlobStore, "stat" | "open">,
  descriptor: Descriptor,
  options: WalkOptions,
  depth = 0,
): AsyncGenerator<Descriptor> {
  const { digest, mediaType } = descriptor;
  if (depth > MAX_DEPTH) {
    throw new RangeError(
      `Cannot walk through "${digest}": indexes stand in one another more than ${MAX_DEPTH} deep`,
    );
  }
  if (await store.stat(digest) === undefined) {
    // Parts of one image are never left out: only whole manifests of an index.
    if (options.missing === "skip" && depth > 0 && isKnown(mediaType)) return;
    throw new Deno.errors.NotFound(
      `Cannot find "${digest}" (${mediaType}): the store does not have it`,
    );
  }
  yield descriptor;
  if (!isKnown(mediaType)) return;
  const bytes = await readBlob(store, descriptor, {
    limit: MANIFEST_LIMIT,
    signal: options.signal,
  });
  const document = parseManifest(bytes, { mediaType });
  const below = "manifests" in document
    ? chosen(document.manifests, options.platforms)
    : [document.config, ...document.layers];
  for (const one of below) yield* walk(store, one, options, depth + 1);
}

function isKnown(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}
