/**
 * Images into archives.
 *
 * @module
 */

import {
  type Descriptor,
  isLayerType,
  MediaType,
  parsePlatform,
  type Platform,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import { generatedStream } from "../_generated_stream.ts";
import { encodeJson, withSignal } from "../_store.ts";
import {
  blobFile,
  type File,
  fileOf,
  type Work,
  writeTar,
} from "./_archive_files.ts";
import { dockerFiles, layoutManifest } from "./_docker_files.ts";
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
  /**
   * Writes the images for these platforms only, such as `linux/arm64`, with what is there of what was attested of them; indexes stay
   * as they are, so that their digests do too. Of each image there has to be one for each of them, for that very platform.
   *
   * @default {all}
   */
  readonly platforms?: readonly (string | Platform)[];
  /**
   * What to do about images of an index that the store does not have: leave them out, or fail.
   *
   * @default {"fail"}
   */
  readonly missing?: "skip" | "fail";
  /** Finds what else goes along with an image, such as its signatures; all of it has to be in the store. By default nothing. */
  readonly referrers?: (
    descriptor: Descriptor,
  ) => AsyncIterable<Descriptor> | Iterable<Descriptor>;
  /** Told how far it is. */
  readonly onProgress?: (event: ArchiveEvent) => void;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** All content of the images, each once, and of what goes along, which is for no platform. */
async function collect(
  listed: readonly NamedDescriptor[],
  images: readonly NamedDescriptor[],
  { store, options, platforms }: Work,
): Promise<Map<string, Descriptor>> {
  const { missing = "fail" } = options;
  const all = new Map<string, Descriptor>();
  for (const one of listed) {
    const walked = walk(store, one.descriptor, {
      ...withSignal(options),
      missing,
      platforms: images.includes(one) ? platforms : undefined,
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

async function ociFiles(
  images: readonly NamedDescriptor[],
  work: Work,
): Promise<File[]> {
  const { format = "oci-docker" } = work.options;
  const listed = await withReferrers(images, work);
  const all = [...(await collect(listed, images, work)).values()];
  const documents = [
    fileOf("index.json", layoutIndex(listed)),
    fileOf("oci-layout", encodeJson({ imageLayoutVersion: "1.0.0" })),
    ...(format === "oci" ? [] : [await layoutManifest(images, work)]),
  ];
  const blobs = Object.groupBy(
    all,
    ({ mediaType }) => isLayerType(mediaType) ? "layer" : "other",
  );
  const { other = [], layer = [] } = blobs;
  // Layers last: whoever reads it as a stream knows before them what the images are, and who signed them.
  return [
    ...byPath(documents),
    ...byPath(other.map((descriptor) => blobFile(descriptor, work))),
    ...byPath(layer.map((descriptor) => blobFile(descriptor, work))),
  ];
}

/** In an order that depends on nothing else. */
function byPath(files: readonly File[]): File[] {
  return files.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

async function* write(
  images: readonly NamedDescriptor[],
  work: Work,
): AsyncGenerator<Uint8Array> {
  const files = work.options.format === "docker"
    ? byPath(await dockerFiles(images, work))
    : await ociFiles(images, work);
  yield* writeTar(files);
}

/**
 * Exports images as an archive. The same images give the same bytes, every blob is proven as it is written, and nothing is kept in memory.
 *
 * @param store Where they are.
 * @param images The images, with the names that they are to have.
 * @param options The format, the platforms, and what goes along.
 * @returns The tar. It fails with a `Deno.errors.NotFound` if a part is missing or there is no image for one of the platforms, and with a `DigestMismatchError` if one is damaged.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 *
 * @example Usage
 * ```ts
 * import { exportArchive } from "@containerkit/distribution/archive";
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const { descriptor } = await packImage(store, { layers: [] });
 * const names = ["docker.io/library/empty:1"];
 * const tar = exportArchive(store, [{ descriptor, names }]);
 * assertEquals((await new Response(tar).bytes()).length % 512, 0);
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
  return generatedStream(
    (signal) =>
      write(images, { store, options: { ...options, signal }, platforms }),
    options,
  );
}
