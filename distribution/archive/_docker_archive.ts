/**
 * The archives of `docker save`: old ones, whose layers are files, and new ones, whose layers are blobs.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  DigestMismatchError,
  MediaType,
  parseImageConfig,
} from "@containerkit/oci";
import {
  type Compression,
  detectCompression,
  MAGIC_LENGTH,
  readLayerChunks,
} from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import {
  type CallOptions,
  encodeJson,
  storeBytes,
  withSignal,
} from "../_store.ts";
import { readBlob } from "../_read_blob.ts";
import { digestOfPath } from "./_archive_path.ts";
import type { Contents } from "./_contents.ts";

/** Layers of one image. */
const MAX_LAYERS = 1024;
const CONFIG_LIMIT = 4 * 1024 * 1024;
const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: MediaType.Layer,
  gzip: MediaType.LayerGzip,
  zstd: MediaType.LayerZstd,
};

/** One image of an archive, with the names that the archive gives it. */
export interface ArchivedImage {
  readonly descriptor: Descriptor;
  readonly names: readonly string[];
}

/** Options of {@linkcode readDockerArchive}. */
export interface ReadDockerArchiveOptions extends CallOptions {
  /** Called with each layer that has to be read to know what it is. */
  readonly prove: (layer: UnprovenLayer) => Promise<void> | void;
}

interface Context {
  readonly contents: Contents;
  readonly store: BlobStore;
  readonly options: ReadDockerArchiveOptions;
}

interface Item {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

function fail(why: string, cause?: unknown): never {
  throw new SyntaxError(`Cannot read docker archive: ${why}`, { cause });
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function parseItems(bytes: Uint8Array): Item[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    fail('"manifest.json" is not JSON', cause);
  }
  if (!Array.isArray(value)) return fail('"manifest.json" is not a list');
  return value.map((item) => {
    const { Config, RepoTags, Layers } = item ?? {};
    const tags = RepoTags ?? [];
    const layers = Layers ?? [];
    if (typeof Config !== "string" || !isStrings(tags) || !isStrings(layers)) {
      fail('an image of "manifest.json" lacks its config, tags or layers');
    }
    if (layers.length > MAX_LAYERS) fail(`more than ${MAX_LAYERS} layers`);
    return { Config, RepoTags: tags, Layers: layers };
  });
}

/** A layer that is a blob: until it is read nobody knows whether the config means it. */
export interface UnprovenLayer {
  readonly path: string;
  readonly digest: string;
  readonly diffId: string;
}

/**
 * Reads a layer, whose bytes the store has proven, and checks that the config means it.
 *
 * @throws {DigestMismatchError} If it means another one.
 */
export async function proveLayer(
  store: Pick<BlobStore, "open">,
  { path, digest, diffId }: UnprovenLayer,
  options: CallOptions,
): Promise<void> {
  const signal = withSignal(options);
  const stored = await store.open(digest, signal);
  const found = await readLayerChunks(stored, () => {}, {
    ...signal,
    storedDigest: () => digest,
  });
  checkDiffId(path, diffId, found.diffId);
}

function checkDiffId(path: string, expected: string, actual: string): void {
  if (actual === expected) return;
  throw new DigestMismatchError(`read layer "${path}"`, { expected, actual });
}

/** Finds a layer that is a blob. */
async function findBlob(
  path: string,
  { digest, diffId }: { digest: string | undefined; diffId: string },
  { contents, store, options }: Context,
): Promise<Descriptor> {
  const stat = digest === undefined ? undefined : await store.stat(digest);
  if (digest === undefined || stat === undefined) {
    return fail(`the layer "${path}" is missing`);
  }
  const head = contents.heads.get(digest) ?? await new Response(
    await store.open(digest, { ...withSignal(options), length: MAGIC_LENGTH }),
  ).bytes();
  const compression = detectCompression(head);
  // Of what is not compressed the digest is the diff ID.
  if (compression === "none" && digest.startsWith("sha256:")) {
    checkDiffId(path, diffId, digest);
  } else await options.prove({ path, digest, diffId });
  return { mediaType: LAYER_TYPES[compression], digest, ...stat };
}

async function findLayer(
  path: string,
  diffId: string,
  context: Context,
): Promise<Descriptor> {
  const { contents } = context;
  const resolved = contents.resolve(path);
  const file = contents.files.get(resolved);
  if (file === undefined) {
    const digest = digestOfPath(resolved);
    return await findBlob(path, { digest, diffId }, context);
  }
  checkDiffId(path, diffId, file.diffId);
  const { compression, digest, size } = file;
  return { mediaType: LAYER_TYPES[compression], digest, size };
}

async function readConfig(
  path: string,
  { contents, store, options }: Context,
): Promise<Uint8Array> {
  const resolved = contents.resolve(path);
  const document = contents.documents.get(resolved);
  if (document !== undefined) return document;
  const digest = digestOfPath(resolved);
  const stat = digest === undefined ? undefined : await store.stat(digest);
  if (digest === undefined || stat === undefined) {
    return fail(`the config "${path}" is missing`);
  }
  return await readBlob(store, { mediaType: "", digest, ...stat }, {
    ...options,
    limit: CONFIG_LIMIT,
    signal: options.signal,
  });
}

/** The images that `manifest.json` tells of, each with a manifest of its own: docker archives have none. */
export async function readDockerArchive(
  contents: Contents,
  store: BlobStore,
  options: ReadDockerArchiveOptions,
): Promise<ArchivedImage[]> {
  const context = { contents, store, options };
  const images: ArchivedImage[] = [];
  for (const item of parseItems(contents.documents.get("manifest.json")!)) {
    const config = await readConfig(item.Config, context);
    const { rootfs } = parseImageConfig(config);
    if (rootfs.diff_ids.length !== item.Layers.length) {
      fail(
        `"${item.Config}" has ${rootfs.diff_ids.length} layers, "manifest.json" ${item.Layers.length}`,
      );
    }
    const layers: Descriptor[] = [];
    for (const [index, path] of item.Layers.entries()) {
      layers.push(await findLayer(path, rootfs.diff_ids[index]!, context));
    }
    const described = describe(MediaType.Config, config);
    const manifest = encodeJson({
      schemaVersion: 2,
      mediaType: MediaType.Manifest,
      config: described,
      layers,
    });
    const descriptor = describe(MediaType.Manifest, manifest);
    await storeBytes(store, config, { ...options, descriptor: described });
    await storeBytes(store, manifest, { ...options, descriptor });
    images.push({ descriptor, names: item.RepoTags });
  }
  return images;
}
