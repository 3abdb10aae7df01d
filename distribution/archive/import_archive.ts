/**
 * Images out of archives.
 *
 * @module
 */

import {
  type Descriptor,
  type ImageIndex,
  MediaType,
  parseManifest,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Found } from "../pull.ts";
import { type CallOptions, withSignal } from "../_store.ts";
import { type Contents, readContents } from "./_contents.ts";
import { type ArchivedImage, readDockerArchive } from "./_docker_archive.ts";
import { checkLayoutVersion } from "./_layout_version.ts";
import { dockerNames, namesOf } from "./_image_names.ts";
import { walk } from "./_walk.ts";
import { storeRepository } from "./store_repository.ts";

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
  /** Asked about every image before the import tells of it; a rejection ends it, and what was stored is named by nobody. */
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
  /** Whether it is no image by itself but says something of another one, such as a signature. */
  readonly isReferrer: boolean;
}

function fail(why: string, cause?: unknown): never {
  throw new SyntaxError(`Cannot read archive: ${why}`, { cause });
}

function readLayout({ documents }: Contents): ImageIndex {
  const layout = documents.get("oci-layout");
  if (layout !== undefined) checkLayoutVersion(layout);
  const index = parseManifest(documents.get("index.json")!, {
    mediaType: MediaType.Index,
  });
  return "manifests" in index ? index : fail('"index.json" is no index');
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
  options: ImportOptions,
): Promise<ArchivedImage[]> {
  const { documents } = contents;
  // Newer archives are both; the image layout keeps the digests.
  if (documents.has("index.json")) {
    return group(readLayout(contents).manifests, options);
  }
  if (!documents.has("manifest.json")) {
    fail('it has neither "index.json" nor "manifest.json"');
  }
  const images = await readDockerArchive(contents, store, withSignal(options));
  return images.map(({ descriptor, names }) => ({
    descriptor,
    names: dockerNames(names),
  }));
}

/** The tags that cosign keeps signatures, attestations and bills of materials under. */
const COSIGN_TAG_REGEXP = /:[a-z0-9]+-[0-9a-f]{64,128}\.(sig|att|sbom)$/;

/** What an image says something of. */
async function subjectOf(
  store: BlobStore,
  descriptor: Descriptor,
  options: CallOptions,
): Promise<Descriptor | undefined> {
  const stream = await store.open(descriptor.digest, withSignal(options));
  return parseManifest(await new Response(stream).bytes(), {
    mediaType: descriptor.mediaType,
  }).subject;
}

/**
 * Imports an archive: an OCI image layout as a tar, or what `docker save`, `podman save`, `skopeo` and `ctr` write, old or new. It is read once as a stream,
 * whatever the order of its entries; every blob is proven to be what it is named, and hashed once. What the store has already is passed over.
 *
 * @param archive The tar, not compressed.
 * @param store Where it goes.
 * @param options How images are named, and who admits them.
 * @returns The images. Naming them is up to the caller.
 * @throws {SyntaxError} If it is no such archive, or leads out of itself.
 * @throws {DigestMismatchError} If a blob is not what it is named.
 * @throws {Deno.errors.NotFound} If a part of an image is missing.
 *
 * @example Usage
 * ```ts ignore
 * import { importArchive } from "@containerkit/distribution/archive";
 *
 * using file = await Deno.open("alpine.tar");
 * for (const { descriptor, names } of await importArchive(file.readable, store)) {
 *   for (const name of names) await store.images.create(name, descriptor);
 * }
 * ```
 */
export async function importArchive(
  archive: ReadableStream<Uint8Array>,
  store: BlobStore,
  options: ImportOptions = {},
): Promise<ImportedImage[]> {
  const { admit, missing = "skip", onProgress } = options;
  const signal = withSignal(options);
  const contents = await readContents(archive, store, {
    ...signal,
    onBlob: (digest, size) => onProgress?.({ digest, size }),
  });
  const found = await readImages(contents, store, options);
  const images: ImportedImage[] = [];
  for (const { descriptor, names } of found) {
    for await (const _ of walk(store, descriptor, { ...signal, missing }));
    const subject = await subjectOf(store, descriptor, signal);
    const isReferrer = subject !== undefined ||
      names.some((name) => COSIGN_TAG_REGEXP.test(name));
    images.push({ descriptor, names, isReferrer });
  }
  if (admit === undefined) return images;
  const registry = storeRepository(store, images);
  for (const { descriptor, names, isReferrer } of images) {
    // What is about another image is what that one is judged by.
    if (isReferrer) continue;
    for (const reference of names.length === 0 ? [descriptor.digest] : names) {
      await admit({ reference, descriptor, registry });
    }
  }
  return images;
}
