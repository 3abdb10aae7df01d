/**
 * Images as docker's own archives have them.
 *
 * @module
 */

import {
  choosePlatform,
  type Descriptor,
  hostPlatform,
  type ImageIndex,
  type ImageManifest,
  isIndexType,
  isLayerType,
  isManifestType,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import { readLayer } from "@containerkit/tar/layer";
import { formatReference } from "../format_reference.ts";
import { parseReference } from "../parse_reference.ts";
import { isDocument } from "../_is_document.ts";
import { parseConfig } from "../_parse_config.ts";
import { readBlob } from "../_read_blob.ts";
import { type CallOptions, encodeJson, withSignal } from "../_store.ts";
import {
  blobFile,
  type File,
  fileOf,
  readProven,
  type Work,
} from "./_archive_files.ts";
import { pathOfDigest } from "./_archive_path.ts";
import { walk } from "./_walk.ts";
import type { ExportOptions } from "./export_archive.ts";
import type { NamedDescriptor } from "./store_repository.ts";

const LIMIT = 4 * 1024 * 1024;

/** An image for one platform, as `manifest.json` wants it. */
interface Single {
  readonly manifest: ImageManifest;
  readonly names: readonly string[];
}

/** The first image for containers at or below a descriptor. */
async function findImage(
  descriptor: Descriptor,
  { store, options }: Work,
  platforms?: readonly Platform[],
): Promise<ImageManifest | undefined> {
  const { missing = "fail", signal } = options;
  const walked = walk(store, descriptor, { missing, platforms, signal });
  for await (const one of walked) {
    if (!isManifestType(one.mediaType)) continue;
    const bytes = await readBlob(store, one, { limit: LIMIT, signal });
    const manifest = parseManifest(bytes, one);
    if ("layers" in manifest && await isImage(manifest, { store, signal })) {
      return manifest;
    }
  }
}

/** Whether it is an image for containers: its config tells of its layers, which is what docker's archives go by. */
async function isImage(
  manifest: ImageManifest,
  { store, signal }: Pick<Work, "store"> & CallOptions,
): Promise<boolean> {
  const { config, layers } = manifest;
  if (
    config.size > LIMIT ||
    !layers.every(({ mediaType }) => isLayerType(mediaType))
  ) return false;
  const bytes = await readBlob(store, config, { limit: LIMIT, signal });
  try {
    const { os = "unknown", rootfs } = parseConfig(bytes, manifest) ?? {};
    return os !== "unknown" && rootfs?.diff_ids.length === layers.length;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** The image of an index that runs on this machine, if there is one. */
async function chooseHost(
  descriptor: Descriptor,
  { store, options: { signal } }: Work,
): Promise<Descriptor> {
  if (!isIndexType(descriptor.mediaType)) return descriptor;
  const bytes = await readBlob(store, descriptor, { limit: LIMIT, signal });
  const { manifests } = parseManifest(bytes, descriptor) as ImageIndex;
  const found = choosePlatform(manifests.filter(isDocument), hostPlatform());
  return found !== undefined && await store.stat(found.digest) !== undefined
    ? found
    : descriptor;
}

/** The images for one platform each, which is all that docker's own format knows: this machine's, if nobody says otherwise. */
async function findSingles(
  images: readonly NamedDescriptor[],
  work: Work,
): Promise<Single[]> {
  const singles: Single[] = [];
  for (const { descriptor, names = [] } of images) {
    const manifest = work.platforms === undefined
      ? await findImage(await chooseHost(descriptor, work), work) ??
        await findImage(descriptor, work)
      : await findImage(descriptor, work, work.platforms);
    if (manifest !== undefined) singles.push({ manifest, names });
  }
  return singles;
}

/** Names as docker shows them. Its archives have tags only: a name without one, by digest, would end their import. */
function repoTags(names: readonly string[]): string[] {
  return names.map((name) => parseReference(name)).flatMap((
    { registry, repository, tag },
  ) =>
    tag === undefined ? [] : [
      formatReference({ registry, repository, tag })
        .replace(/^docker\.io\/(library\/)?/, ""),
    ]
  );
}

/** The `manifest.json` that makes an image layout one of docker's archives too. */
export async function layoutManifest(
  images: readonly NamedDescriptor[],
  work: Work,
): Promise<File> {
  const singles = await findSingles(images, work);
  return fileOf(
    "manifest.json",
    encodeJson(singles.map(({ manifest, names }) => ({
      Config: pathOfDigest(manifest.config.digest),
      RepoTags: repoTags(names),
      Layers: manifest.layers.map(({ digest }) => pathOfDigest(digest)),
    }))),
  );
}

/** A layer without compression: it is read twice, as its size stands in front of it. */
async function plainLayer(
  descriptor: Descriptor,
  work: Work,
): Promise<File & { diffId: string }> {
  const { onProgress: _onProgress, ...quiet } = work.options;
  const open = (options: ExportOptions) =>
    readLayer(
      ReadableStream.from(readProven(descriptor, { ...work, options })),
      withSignal(options),
    );
  // Told of once, as it is written.
  const { readable, digests } = open(quiet);
  await readable.pipeTo(new WritableStream());
  const { diffId, diffSize } = await digests;
  const [, hex] = diffId.split(":");
  return {
    path: `${hex}.tar`,
    size: diffSize,
    diffId,
    open: () => open(work.options).readable,
  };
}

/** The files of a classic archive. */
export async function dockerFiles(
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
