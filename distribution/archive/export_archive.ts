/**
 * Images into archives.
 *
 * @module
 */

import {
  type Descriptor,
  DigestMismatchError,
  hostPlatform,
  type ImageManifest,
  isLayerType,
  isManifestType,
  MediaType,
  parseDigest,
  parseManifest,
  parsePlatform,
  type Platform,
} from "@containerkit/oci";
import { createHash } from "node:crypto";
import { encodeTarHeader } from "@containerkit/tar";
import { readLayer } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import { readBlob } from "../_read_blob.ts";
import { encodeJson, withSignal } from "../_store.ts";
import { pathOfDigest } from "./_archive_path.ts";
import { nameAnnotations } from "./_image_names.ts";
import { walk } from "./_walk.ts";
import type { ArchiveEvent } from "./import_archive.ts";
import type { NamedDescriptor } from "./store_repository.ts";

/** Options of {@linkcode exportArchive}. */
export interface ExportOptions {
  /**
   * What is written: an OCI image layout, the classic archive of `docker save` with layers that are not compressed, or an image layout that newer and older
   * docker reads too.
   *
   * @default {"oci-docker"}
   */
  readonly format?: "oci-docker" | "oci" | "docker";
  /** The platforms that are written, such as `linux/arm64`; indexes stay whole, so that their digests do. By default all. */
  readonly platforms?: readonly (string | Platform)[];
  /**
   * What to do about images of an index that the store does not have: leave them out, or fail.
   *
   * @default {"fail"}
   */
  readonly missing?: "skip" | "fail";
  /** Finds what else goes along with an image, such as its signatures. By default nothing. */
  readonly referrers?: (
    descriptor: Descriptor,
  ) => AsyncIterable<Descriptor> | Iterable<Descriptor>;
  /** Told how far it is. */
  readonly onProgress?: (event: ArchiveEvent) => void;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

const BLOCK = 512;
const LIMIT = 4 * 1024 * 1024;

interface File {
  readonly path: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

interface Work {
  readonly store: Pick<BlobStore, "stat" | "open">;
  readonly options: ExportOptions;
  readonly platforms: readonly Platform[] | undefined;
}

/** An image for one platform, as `manifest.json` wants it. */
interface Single {
  readonly manifest: ImageManifest;
  readonly names: readonly string[];
}

function fileOf(path: string, bytes: Uint8Array): File {
  return {
    path,
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

/** Reads a blob and proves it: its bytes are hashed as they are written. */
async function* readProven(
  { digest, size }: Descriptor,
  { store, options }: Work,
): AsyncGenerator<Uint8Array> {
  const { algorithm } = parseDigest(digest);
  const hash = createHash(algorithm);
  let count = 0;
  for await (const chunk of await store.open(digest, withSignal(options))) {
    options.signal?.throwIfAborted();
    count += chunk.length;
    if (count > size) break;
    hash.update(chunk);
    yield chunk;
  }
  const actual = `${algorithm}:${hash.digest("hex")}`;
  if (count !== size || actual !== digest) {
    throw new DigestMismatchError(`export "${digest}"`, {
      expected: count === size ? digest : `${size} bytes`,
      actual: count === size ? actual : `${count} bytes`,
    });
  }
  options.onProgress?.({ digest, size });
}

function blobFile(descriptor: Descriptor, work: Work): File {
  return {
    path: pathOfDigest(descriptor.digest),
    size: descriptor.size,
    open: () => readProven(descriptor, work),
  };
}

async function* writeTar(files: readonly File[]): AsyncGenerator<Uint8Array> {
  const folders = new Set<string>();
  for (const { path, size, open } of files) {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = `${parts.slice(0, depth).join("/")}/`;
      if (folders.has(folder)) continue;
      folders.add(folder);
      yield encodeTarHeader({ name: folder, typeflag: "5" });
    }
    yield encodeTarHeader({ name: path, size });
    yield* open();
    const rest = size % BLOCK;
    if (rest !== 0) yield new Uint8Array(BLOCK - rest);
  }
  yield new Uint8Array(2 * BLOCK);
}

/** All content of the images, each once. */
async function collect(
  images: readonly NamedDescriptor[],
  { store, options, platforms }: Work,
): Promise<Map<string, Descriptor>> {
  const { missing = "fail" } = options;
  const all = new Map<string, Descriptor>();
  for (const { descriptor } of images) {
    const walked = walk(store, descriptor, {
      ...withSignal(options),
      missing,
      platforms,
    });
    for await (const one of walked) all.set(one.digest, one);
  }
  return all;
}

/** What goes along with the images, and with what goes along. */
async function withReferrers(
  images: readonly NamedDescriptor[],
  { options }: Work,
): Promise<readonly NamedDescriptor[]> {
  const { referrers } = options;
  if (referrers === undefined) return images;
  const all = [...images];
  const seen = new Set(all.map(({ descriptor }) => descriptor.digest));
  for (let at = 0; at < all.length; at++) {
    for await (
      const { mediaType, digest, size } of referrers(all[at]!.descriptor)
    ) {
      if (!seen.has(digest)) {
        all.push({ descriptor: { mediaType, digest, size } });
      }
      seen.add(digest);
    }
  }
  return all;
}

/** The index of an image layout: an entry for each name, and one for what has none. */
function layoutIndex(images: readonly NamedDescriptor[]): Uint8Array {
  const manifests = images.flatMap(({ descriptor, names = [] }) => {
    const { mediaType, digest, size } = descriptor;
    const entry = { mediaType, digest, size };
    return names.length === 0
      ? [entry]
      : names.map((name) => ({ ...entry, annotations: nameAnnotations(name) }));
  });
  return encodeJson({
    schemaVersion: 2,
    mediaType: MediaType.Index,
    manifests,
  });
}

/** The first image for containers at or below a descriptor. */
async function findImage(
  descriptor: Descriptor,
  { store, options }: Work,
  platforms: readonly Platform[] | undefined,
): Promise<ImageManifest | undefined> {
  const { missing = "fail", signal } = options;
  const walked = walk(store, descriptor, { missing, platforms, signal });
  for await (const one of walked) {
    if (!isManifestType(one.mediaType)) continue;
    const bytes = await readBlob(store, one, { limit: LIMIT, signal });
    const manifest = parseManifest(bytes, one);
    const isImage = "layers" in manifest && manifest.layers.length > 0 &&
      manifest.layers.every(({ mediaType }) => isLayerType(mediaType));
    if (isImage) return manifest;
  }
}

/** The images for one platform each, which is all that docker's own format knows: this machine's, if nobody says otherwise. */
async function findSingles(
  images: readonly NamedDescriptor[],
  work: Work,
): Promise<Single[]> {
  const singles: Single[] = [];
  for (const { descriptor, names = [] } of images) {
    const manifest = work.platforms === undefined
      ? await findImage(descriptor, work, [hostPlatform()]) ??
        await findImage(descriptor, work, undefined)
      : await findImage(descriptor, work, work.platforms);
    if (manifest !== undefined) singles.push({ manifest, names });
  }
  return singles;
}

/** Names as docker shows them. */
function repoTags(names: readonly string[]): string[] {
  return names.map((name) =>
    name.replace(/^docker\.io\/(library\/)?/, "").replace(/@sha256:.*$/, "")
  );
}

async function ociFiles(
  images: readonly NamedDescriptor[],
  work: Work,
): Promise<File[]> {
  const { format = "oci-docker" } = work.options;
  const all = await withReferrers(images, work);
  const blobs = await collect(all, work);
  const files = [
    fileOf("index.json", layoutIndex(all)),
    fileOf("oci-layout", encodeJson({ imageLayoutVersion: "1.0.0" })),
    ...[...blobs.values()].map((descriptor) => blobFile(descriptor, work)),
  ];
  if (format === "oci") return files;
  const items = [];
  for (const { manifest, names } of await findSingles(images, work)) {
    items.push({
      Config: pathOfDigest(manifest.config.digest),
      RepoTags: repoTags(names),
      Layers: manifest.layers.map(({ digest }) => pathOfDigest(digest)),
    });
  }
  return [...files, fileOf("manifest.json", encodeJson(items))];
}

/** A layer without compression: it is read twice, as its size stands in front of it. */
async function plainLayer(
  descriptor: Descriptor,
  work: Work,
): Promise<File & { diffId: string }> {
  const signal = withSignal(work.options);
  const open = () =>
    readLayer(ReadableStream.from(readProven(descriptor, work)), signal);
  const { readable, digests } = open();
  await readable.pipeTo(new WritableStream());
  const { diffId, diffSize } = await digests;
  const [, hex] = diffId.split(":");
  return {
    path: `${hex}.tar`,
    size: diffSize,
    diffId,
    open: () => open().readable,
  };
}

async function dockerFiles(
  images: readonly NamedDescriptor[],
  work: Work,
): Promise<File[]> {
  const files = new Map<string, File>();
  const items = [];
  for (const { manifest, names } of await findSingles(images, work)) {
    const layers = [];
    for (const descriptor of manifest.layers) {
      const layer = await plainLayer(descriptor, work);
      files.set(layer.path, layer);
      layers.push(layer.path);
    }
    const { config } = manifest;
    const path = `${config.digest.split(":")[1]}.json`;
    files.set(path, { ...blobFile(config, work), path });
    items.push({ Config: path, RepoTags: repoTags(names), Layers: layers });
  }
  if (items.length === 0) {
    throw new TypeError(
      "Cannot export as a docker archive: there is no image for a container in it",
    );
  }
  return [
    ...files.values(),
    fileOf("manifest.json", encodeJson(items)),
  ];
}

async function* write(
  images: readonly NamedDescriptor[],
  work: Work,
): AsyncGenerator<Uint8Array> {
  const files = work.options.format === "docker"
    ? await dockerFiles(images, work)
    : await ociFiles(images, work);
  const sorted = files.toSorted((a, b) => a.path < b.path ? -1 : 1);
  yield* writeTar(sorted);
}

/**
 * Exports images as an archive. The same images give the same bytes, every blob is proven as it is written, and nothing is kept in memory.
 *
 * @param store Where they are.
 * @param images The images, with the names that they are to have.
 * @param options The format, the platforms, and what goes along.
 * @returns The tar. It fails with a `Deno.errors.NotFound` if a part is missing, and with a `DigestMismatchError` if one is damaged.
 *
 * @example Usage
 * ```ts ignore
 * import { exportArchive } from "@containerkit/distribution/archive";
 *
 * const names = ["docker.io/library/alpine:3"];
 * const tar = exportArchive(store, [{ descriptor, names }]);
 * await tar.pipeTo((await Deno.create("alpine.tar")).writable);
 * ```
 */
export function exportArchive(
  store: Pick<BlobStore, "stat" | "open">,
  images: readonly NamedDescriptor[],
  options: ExportOptions = {},
): ReadableStream<Uint8Array> {
  const platforms = options.platforms?.map((platform) =>
    typeof platform === "string" ? parsePlatform(platform) : platform
  );
  return ReadableStream.from(write(images, { store, options, platforms }));
}
