/**
 * Images as an import tells of them.
 *
 * @module
 */

import { parseManifest } from "@containerkit/oci";
import { readBlob } from "../_read_blob.ts";
import type { BlobStore } from "../blob_store.ts";
import type { ArchivedImage } from "./_docker_archive.ts";
import { MANIFEST_LIMIT, walk } from "./_walk.ts";
import type { ImportedImage, ImportOptions } from "./import_archive.ts";

/** The tags that cosign keeps signatures, attestations and bills of materials under. */
const COSIGN_TAG_REGEXP = /:([a-z0-9]+)-([0-9a-f]{64,128})\.(?:sig|att|sbom)$/;

type Content = Pick<BlobStore, "stat" | "open">;

/** What an image says it is. */
interface Claim {
  readonly image: ArchivedImage;
  /** Digests of what it says something of: of its subject, and of those in cosign's tags. */
  readonly subjects: ReadonlySet<string>;
  /** Whether it has a name that is no tag of cosign. */
  readonly isNamed: boolean;
  /** Digests of the manifests in it, if it is an index. */
  readonly parts: readonly string[];
}

async function readClaim(
  store: Content,
  image: ArchivedImage,
  signal: AbortSignal | undefined,
): Promise<Claim> {
  const { descriptor, names } = image;
  const bytes = await readBlob(store, descriptor, {
    limit: MANIFEST_LIMIT,
    signal,
  });
  const document = parseManifest(bytes, descriptor);
  const tags = names.map((name) => COSIGN_TAG_REGEXP.exec(name));
  const subjects = new Set(
    tags.flatMap((tag) => tag === null ? [] : [`${tag[1]}:${tag[2]}`]),
  );
  if (document.subject !== undefined) subjects.add(document.subject.digest);
  return {
    image,
    subjects,
    isNamed: tags.includes(null),
    parts: "manifests" in document
      ? document.manifests.map(({ digest }) => digest)
      : [],
  };
}

/**
 * Tells which images only say something of others. Anybody can write a subject or a tag, so saying so is not enough: such an image has
 * no name but tags of cosign, and all that it says something of is in the archive too, as an image by itself, a manifest in one, or in
 * its turn something that only speaks of those. What is left are images by themselves: there is one if there is anything.
 */
export async function markReferrers(
  store: Content,
  images: readonly ArchivedImage[],
  signal?: AbortSignal,
): Promise<ImportedImage[]> {
  /** Those that may turn out to be referrers, by what they say something of. */
  const waiting = new Map<string, { claim: Claim; open: Set<string> }[]>();
  const known: string[] = [];
  for (const image of images) {
    const claim = await readClaim(store, image, signal);
    const { subjects, isNamed, parts } = claim;
    if (isNamed || subjects.size === 0) {
      known.push(image.descriptor.digest, ...parts);
      continue;
    }
    const one = { claim, open: new Set(subjects) };
    for (const subject of subjects) {
      const others = waiting.get(subject);
      if (others === undefined) waiting.set(subject, [one]);
      else others.push(one);
    }
  }
  const referrers = new Set<ArchivedImage>();
  for (
    let digest = known.pop();
    digest !== undefined;
    digest = known.pop()
  ) {
    for (const { claim: { image }, open } of waiting.get(digest) ?? []) {
      if (!open.delete(digest) || open.size > 0) continue;
      referrers.add(image);
      known.push(image.descriptor.digest);
    }
  }
  return images.map((image) => ({
    ...image,
    isReferrer: referrers.has(image),
  }));
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
  for (const { descriptor } of found) {
    for await (const _ of walk(store, descriptor, { signal, missing }));
  }
  return await markReferrers(store, found, signal);
}
