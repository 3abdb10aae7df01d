/**
 * Images as an import tells of them.
 *
 * @module
 */

import { type Descriptor, parseManifest } from "@containerkit/oci";
import { readBlob } from "../_read_blob.ts";
import type { BlobStore } from "../blob_store.ts";
import type { ArchivedImage } from "./_docker_archive.ts";
import { MANIFEST_LIMIT, walk } from "./_walk.ts";
import type { ImportedImage, ImportOptions } from "./import_archive.ts";

/** The tags that cosign keeps signatures, attestations and bills of materials under. */
const COSIGN_TAG_REGEXP = /:[a-z0-9]+-[0-9a-f]{64,128}\.(sig|att|sbom)$/;

type Content = Pick<BlobStore, "stat" | "open">;

/** Whether an image only says something of another one. */
export async function isReferrer(
  store: Content,
  { descriptor, names }: ArchivedImage,
  signal?: AbortSignal,
): Promise<boolean> {
  if (names.some((name) => COSIGN_TAG_REGEXP.test(name))) return true;
  return await subjectOf(store, descriptor, signal) !== undefined;
}

/** What an image says something of. */
async function subjectOf(
  store: Content,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Descriptor | undefined> {
  const bytes = await readBlob(store, descriptor, {
    limit: MANIFEST_LIMIT,
    signal,
  });
  return parseManifest(bytes, descriptor).subject;
}

/**
 * Looks whether all of the images is there.
 *
 * @throws {Deno.errors.NotFound} If something is missing and must not be.
 */
export async function toImported(
  store: Content,
  found: readonly ArchivedImage[],
  options: ImportOptions,
): Promise<ImportedImage[]> {
  const { missing = "skip", signal } = options;
  const images: ImportedImage[] = [];
  for (const image of found) {
    for await (const _ of walk(store, image.descriptor, { signal, missing }));
    images.push({
      ...image,
      isReferrer: await isReferrer(store, image, signal),
    });
  }
  return images;
}
