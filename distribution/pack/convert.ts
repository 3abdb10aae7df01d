/**
 * The same image in another form.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  type ImageIndex,
  parseManifest,
} from "@containerkit/oci";
import { isDocument } from "../_is_document.ts";
import type { Compression } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import { readBlob } from "../_read_blob.ts";
import { createImage } from "../create_image.ts";
import { convertImage, plain, reasonOf, type Work } from "./_convert_image.ts";
import { FAMILIES, familyOf } from "./_media_types.ts";
import type { MediaTypes } from "./media_types.ts";
import { encodeJson, openBlob, storeBytes, withSignal } from "../_store.ts";

/** Options of {@linkcode convert}. */
export interface ConvertOptions {
  /** How layers are to be compressed; by default as they are. */
  readonly compression?: Compression;
  /** The level: 1 to 9 of gzip, 1 to 22 of zstd; by default the codec's own. */
  readonly level?: number;
  /** Whose media types are to be used; by default the image's own. */
  readonly mediaTypes?: MediaTypes;
  /**
   * What to do about manifests of an index that the store does not have: leave them out, or fail.
   *
   * @default {"fail"}
   */
  readonly missing?: "skip" | "fail";
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** Why something has another digest than before. */
export interface Change {
  /** What it was. */
  readonly from: Descriptor;
  /** What it is; `undefined` if it was left out. */
  readonly to: Descriptor | undefined;
  /** Why, in words. */
  readonly reason: string;
}

/** What {@linkcode convert} made. */
export interface Converted {
  /** The manifest or index. */
  readonly descriptor: Descriptor;
  /** All that changed, what is inside first. Empty if nothing did, and the descriptor is the old one then. */
  readonly changes: readonly Change[];
}

/** The largest manifest or config that is read, in bytes. */
const LIMIT = 4 * 1024 * 1024;
/** How deep indexes may stand in one another. */
const MAX_DEPTH = 8;
/** The annotation by which an attestation of BuildKit names the manifest that it is about. */
const REFERENCE = "vnd.docker.reference.digest";

/** Attestations name what they are about by its digest, which may be another one now. */
function follow(
  entry: Descriptor,
  changes: readonly Change[],
): Descriptor {
  const about = entry.annotations?.[REFERENCE];
  const change = changes.find(({ from }) => from.digest === about);
  return about === undefined || change?.to === undefined ? entry : {
    ...entry,
    annotations: { ...entry.annotations, [REFERENCE]: change.to.digest },
  };
}

async function convertIndex(
  descriptor: Descriptor,
  index: ImageIndex,
  { work, depth }: { work: Work; depth: number },
): Promise<Descriptor> {
  const { store, options, changes } = work;
  const entries: Descriptor[] = [];
  for (const entry of index.manifests) {
    if (
      options.missing === "skip" && await store.stat(entry.digest) === undefined
    ) {
      changes.push({
        from: entry,
        to: undefined,
        reason: "the store does not have it",
      });
      continue;
    }
    const { mediaType, digest, size } = await convertOne(entry, {
      work,
      depth: depth + 1,
    });
    // What stands there of its content is of the old one.
    const { data: _data, urls: _urls, ...rest } = entry;
    const kept = digest === entry.digest ? entry : rest;
    entries.push({ ...kept, mediaType, digest, size });
  }
  const own = familyOf(descriptor.mediaType);
  const family = options.mediaTypes ?? own;
  const isSame = entries.length === index.manifests.length &&
    entries.every(({ digest }, at) => digest === index.manifests[at]?.digest);
  if (isSame && family === own) return descriptor;
  const bytes = encodeJson({
    ...index,
    mediaType: FAMILIES[family].index,
    manifests: entries.map((entry) => follow(entry, changes)),
  });
  const converted = describe(FAMILIES[family].index, bytes);
  await storeBytes(store, bytes, {
    ...withSignal(options),
    descriptor: converted,
  });
  changes.push({
    from: plain(descriptor),
    to: converted,
    reason: reasonOf(descriptor, family, false) || "other manifests",
  });
  return converted;
}

async function convertOne(
  descriptor: Descriptor,
  { work, depth }: { work: Work; depth: number },
): Promise<Descriptor> {
  const { done } = work;
  const key = `${descriptor.mediaType} ${descriptor.digest}`;
  const known = done.get(key);
  if (known !== undefined) return known;
  const converted = await convertAnew(descriptor, { work, depth });
  done.set(key, converted);
  return converted;
}

async function convertAnew(
  descriptor: Descriptor,
  { work, depth }: { work: Work; depth: number },
): Promise<Descriptor> {
  const { mediaType } = descriptor;
  if (depth > MAX_DEPTH) {
    throw new RangeError(
      `Cannot convert "${descriptor.digest}": indexes stand in one another more than ${MAX_DEPTH} deep`,
    );
  }
  // What is neither has no form that could be changed.
  if (!isDocument(descriptor)) return descriptor;
  const { store, options } = work;
  const read = (one: Descriptor) =>
    readBlob(store, one, { ...withSignal(options), limit: LIMIT });
  const manifest = await read(descriptor);
  const document = parseManifest(manifest, { mediaType });
  if ("manifests" in document) {
    return await convertIndex(descriptor, document, { work, depth });
  }
  const image = createImage(
    { manifest, config: await read(document.config), descriptor },
    (layer, given) => openBlob(store, layer, given),
  );
  return await convertImage(image, work);
}

/**
 * Converts an image, or all images of an index: the compression of layers, the media types, or both. Other manifests, such as attestations, stay as they are.
 * A signature of the old digest does not hold for the new one: `changes` tells what became what, and why.
 *
 * @param store Where it is, and where the result goes.
 * @param descriptor The manifest or index.
 * @param options The form it is to have.
 * @returns The result, which is the same descriptor if nothing had to change.
 * @throws {Deno.errors.NotFound} If a part of it is not in the store.
 * @throws {DigestMismatchError} If a layer is not what the config says.
 * @throws {TypeError} If Docker has no media type for a layer.
 *
 * @example Usage
 * ```ts
 * import { convert, packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const archive = new Blob([new Uint8Array(1024)]).stream(); // an empty tar
 * const image = await packImage(store, { layers: [{ archive }] });
 * const { descriptor, changes } = await convert(store, image.descriptor, {
 *   compression: "zstd",
 * });
 * assertEquals(changes.at(-1)?.to?.digest, descriptor.digest);
 * ```
 */
export async function convert(
  store: BlobStore,
  descriptor: Descriptor,
  options: ConvertOptions = {},
): Promise<Converted> {
  const work: Work = { store, options, changes: [], done: new Map() };
  return {
    descriptor: await convertOne(descriptor, { work, depth: 0 }),
    changes: work.changes,
  };
}
