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
import type { Compression, LayerDigests } from "@containerkit/tar/layer";
import { readLayer } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import {
  type CallOptions,
  encodeJson,
  openBlob,
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

interface Context {
  readonly contents: Contents;
  readonly store: BlobStore;
  readonly options: CallOptions;
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

/** Reads what is a blob of the store already and finds out what it is. */
async function readStored(
  store: BlobStore,
  digest: string,
  options: CallOptions,
): Promise<LayerDigests> {
  const stat = await store.stat(digest);
  if (stat === undefined) fail(`the layer "${digest}" is missing`);
  const stored = await openBlob(
    store,
    { mediaType: "", digest, ...stat },
    options,
  );
  const { readable, digests } = readLayer(stored, withSignal(options));
  await readable.pipeTo(new WritableStream());
  return await digests;
}

async function findLayer(
  path: string,
  { contents, store, options }: Context,
): Promise<LayerDigests> {
  const resolved = contents.resolve(path);
  const file = contents.files.get(resolved);
  if (file !== undefined) return file;
  const digest = digestOfPath(resolved);
  if (digest === undefined) return fail(`the layer "${path}" is missing`);
  return await readStored(store, digest, options);
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
  options: CallOptions,
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
      const layer = await findLayer(path, context);
      const diffId = rootfs.diff_ids[index]!;
      if (layer.diffId !== diffId) {
        throw new DigestMismatchError(`read layer "${path}"`, {
          expected: diffId,
          actual: layer.diffId,
        });
      }
      layers.push({
        mediaType: LAYER_TYPES[layer.compression],
        digest: layer.digest,
        size: layer.size,
      });
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
