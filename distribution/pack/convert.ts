/**
 * The same image in another form.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  DigestMismatchError,
  type ImageIndex,
  parseManifest,
} from "@containerkit/oci";
import { isDocument } from "../_is_document.ts";
import { type Compression, readLayer } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import { readBlob } from "../_read_blob.ts";
import { createImage } from "../create_image.ts";
import type { Image, Layer } from "../image.ts";
import { compressionOf, FAMILIES, familyOf } from "./_media_types.ts";
import type { MediaTypes } from "./media_types.ts";
import { retype } from "./_rebuild.ts";
import {
  encodeJson,
  openBlob,
  storeBytes,
  storeImage,
  withSignal,
} from "../_store.ts";
import { packLayer } from "./pack_layer.ts";

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

interface Work {
  readonly store: BlobStore;
  readonly options: ConvertOptions;
  readonly changes: Change[];
  /** What became of manifests: one may stand in many indexes. */
  readonly done: Map<string, Descriptor>;
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Compresses a layer otherwise; its tar has to stay the same. */
async function convertLayer(layer: Layer, work: Work): Promise<Layer> {
  const { compression = compressionOf(layer.mediaType), level } = work.options;
  const before = compressionOf(layer.mediaType);
  if (before === undefined || before === compression) return layer;
  const signal = withSignal(work.options);
  const { annotations, diffId } = layer;
  const stored = await packLayer(
    work.store,
    readLayer(await layer.open(signal), signal).readable,
    {
      compression: compression!,
      ...(level === undefined ? {} : { level }),
      ...(annotations === undefined ? {} : { annotations }),
      ...signal,
    },
  );
  if (stored.diffId !== diffId) {
    throw new DigestMismatchError(`convert layer "${layer.digest}"`, {
      expected: diffId,
      actual: stored.diffId,
    });
  }
  work.changes.push({
    from: plain(layer),
    to: plain(stored),
    reason: `compressed by ${compression} instead of ${before}`,
  });
  return stored;
}

function reasonOf(
  before: Descriptor,
  family: MediaTypes,
  hasNewLayers: boolean,
): string {
  const reasons = [
    ...(familyOf(before.mediaType) === family
      ? []
      : [`media types of ${family}`]),
    ...(hasNewLayers ? ["other layers"] : []),
  ];
  return reasons.join(" and ");
}

async function convertImage(image: Image, work: Work): Promise<Descriptor> {
  const { store, options, changes } = work;
  const own = familyOf(image.descriptor.mediaType);
  // An artifact has no layers that could be otherwise.
  if (
    image.layers.every(({ mediaType }) =>
      compressionOf(mediaType) === undefined
    )
  ) {
    return image.descriptor;
  }
  const family = options.mediaTypes ?? own;
  const layers: Layer[] = [];
  for (const layer of image.layers) {
    layers.push(retype(await convertLayer(layer, work), family));
  }
  const hasNewLayers = layers.some(({ digest }, index) =>
    digest !== image.layers[index]?.digest
  );
  if (family === own && !hasNewLayers) return image.descriptor;
  const { subject, artifactType, annotations } = image.manifest;
  const { descriptor } = await storeImage(store, {
    // The tars are the same, and so is what the config says: the image keeps its ID.
    config: image.raw.config,
    configType: FAMILIES[family].config,
    layers,
    manifest: {
      mediaType: FAMILIES[family].manifest,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(subject === undefined ? {} : { subject }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  }, withSignal(options));
  changes.push({
    from: plain(image.descriptor),
    to: descriptor,
    reason: reasonOf(image.descriptor, family, hasNewLayers),
  });
  return descriptor;
}

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
    entries.push({ ...entry, mediaType, digest, size });
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
