/**
 * Images out of archives.
 *
 * @module
 */

import { type Descriptor, MediaType, parseManifest } from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Found } from "../pull.ts";
import { withSignal } from "../_store.ts";
import { type Contents, readContents } from "./_contents.ts";
import {
  type ArchivedImage,
  proveLayer,
  readDockerArchive,
  type ReadDockerArchiveOptions,
  type UnprovenLayer,
} from "./_docker_archive.ts";
import { checkLayoutVersion } from "./_layout_version.ts";
import { dockerNames, namesOf } from "./_image_names.ts";
import { createGate } from "./_gate.ts";
import { isImageEntry } from "./_is_image_entry.ts";
import { Staging } from "./_staging.ts";
import { toImported } from "./_to_imported.ts";

/** One step of an import or export. */
export interface ArchiveEvent {
  /** The blob that is done. */
  readonly digest: string;
  /** Its size in bytes. */
  readonly size: number;
}

/** Options of {@linkcode importArchive}. */
export interface ImportOptions {
  /** The repository of images that the archive gives bare tags, such as `localhost/imported`; without it those stay nameless. */
  readonly repository?: string;
  /**
   * What to do about images of an index that the archive does not have: leave them out, or fail.
   *
   * @default {"skip"}
   */
  readonly missing?: "skip" | "fail";
  /**
   * Asked about every image once all that could speak for it is there, which in archives of `exportArchive()` is before their first layer;
   * a rejection ends the import, and none of the archive is in the store then. Not asked about what only says something of others, see
   * {@linkcode ImportedImage.isReferrer}: it comes in with what was admitted.
   */
  readonly admit?: (found: Found) => Promise<unknown>;
  /** Told how far it is. */
  readonly onProgress?: (event: ArchiveEvent) => void;
  /** Ends it; blobs that are whole stay, and an import of the same archive goes on from there. */
  readonly signal?: AbortSignal;
}

/** One image that an archive holds. */
export interface ImportedImage {
  /** Its index or manifest, which is in the store now. */
  readonly descriptor: Descriptor;
  /** Its names in full, such as `docker.io/library/alpine:3`; it may have none. */
  readonly names: readonly string[];
  /**
   * Whether it is no image by itself but says something of others, such as a signature: it has a subject or a tag of cosign (such as
   * `sha256-<64 hex>.sig`), no other name, and all it says something of is in the archive too: images by themselves, the manifests in
   * them, or what in its turn speaks of those.
   */
  readonly isReferrer: boolean;
}

function fail(why: string, cause?: unknown): never {
  throw new SyntaxError(`Cannot read archive: ${why}`, { cause });
}

function readLayout(
  documents: ReadonlyMap<string, Uint8Array>,
  options: ImportOptions,
): ArchivedImage[] {
  const layout = documents.get("oci-layout");
  if (layout !== undefined) checkLayoutVersion(layout);
  const index = parseManifest(documents.get("index.json")!, {
    mediaType: MediaType.Index,
    // As many as there are images.
    limit: Infinity,
  });
  if (!("manifests" in index)) fail('"index.json" is no index');
  return group(index.manifests.filter(isImageEntry), options);
}

/** One image a digest: an index lists each of its names by itself. */
function group(
  entries: readonly Descriptor[],
  options: ImportOptions,
): ArchivedImage[] {
  const images = new Map<string, ArchivedImage>();
  for (const entry of entries) {
    const { annotations: _annotations, ...descriptor } = entry;
    const names = images.get(entry.digest)?.names ?? [];
    images.set(entry.digest, {
      descriptor,
      names: [...names, ...namesOf(entry, options)],
    });
  }
  return [...images.values()];
}

async function readImages(
  contents: Contents,
  store: BlobStore,
  options: ImportOptions & Pick<ReadDockerArchiveOptions, "prove">,
): Promise<ArchivedImage[]> {
  const { documents } = contents;
  // Newer archives are both; the image layout keeps the digests.
  if (documents.has("index.json")) return readLayout(documents, options);
  if (!documents.has("manifest.json")) {
    fail('it has neither "index.json" nor "manifest.json"');
  }
  const images = await readDockerArchive(contents, store, {
    ...withSignal(options),
    prove: options.prove,
  });
  return images.map(({ descriptor, names }) => ({
    descriptor,
    names: dockerNames(names),
  }));
}

/**
 * Imports an archive: an OCI image layout as a tar, or what `docker save`, `podman save`, `skopeo` and `ctr` write, old or new. It is read once as a stream,
 * whatever the order of its entries; every blob is proven to be what it is named, and hashed once. What the store has already is passed over,
 * as is whatever a layout lists besides images.
 *
 * @param archive The tar, not compressed.
 * @param store Where it goes.
 * @param options How images are named, and who admits them.
 * @returns The images. Naming them is up to the caller.
 * @throws {TarError} If it is damaged, or compressed.
 * @throws {SyntaxError} If it is no such archive, or leads out of itself.
 * @throws {DigestMismatchError} If a blob is not what it is named.
 * @throws {Deno.errors.NotFound} If a part of an image is missing.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 *
 * @example Usage
 * ```ts
 * import { exportArchive, importArchive } from "@containerkit/distribution/archive";
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const from = createMemoryStore();
 * const { descriptor } = await packImage(from, { layers: [] });
 * const names = ["docker.io/library/empty:1"];
 * const tar = exportArchive(from, [{ descriptor, names }]); // or of a file
 * const images = await importArchive(tar, createMemoryStore());
 * assertEquals(images.map(({ names }) => names), [names]);
 * ```
 */
export async function importArchive(
  archive: ReadableStream<Uint8Array>,
  store: BlobStore,
  options: ImportOptions = {},
): Promise<ImportedImage[]> {
  const { admit, onProgress } = options;
  const signal = withSignal(options);
  await using staging = admit === undefined ? undefined : new Staging(store);
  const to = staging ?? store;
  const gate = staging === undefined || admit === undefined
    ? undefined
    : createGate(staging, { admit, ...signal });
  const contents = await readContents(archive, to, {
    ...signal,
    onBlob: (digest, size) => onProgress?.({ digest, size }),
    ...(gate === undefined ? {} : {
      beforeFile: (documents: ReadonlyMap<string, Uint8Array>) =>
        documents.has("index.json")
          ? gate.tryEarly(() => readLayout(documents, options))
          : Promise.resolve(),
    }),
  });
  const unproven: UnprovenLayer[] = [];
  const found = await readImages(contents, to, {
    ...options,
    // What is not admitted cannot be read yet.
    prove: (layer) =>
      staging === undefined
        ? proveLayer(store, layer, signal)
        : void unproven.push(layer),
  });
  const images = await toImported(to, found, options);
  await gate?.finish(images);
  for (const layer of unproven) await proveLayer(store, layer, signal);
  return images;
}
