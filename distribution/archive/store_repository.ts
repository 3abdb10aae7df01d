/**
 * Images of a store, looked at as a repository.
 *
 * @module
 */

import { type Descriptor, parseManifest } from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Repository } from "../open_repository.ts";
import { isDocument } from "../_is_document.ts";
import { toReferrer } from "../_put_manifest.ts";
import { readBlob } from "../_read_blob.ts";
import { parseReference } from "../parse_reference.ts";

/** The largest manifest that is read, in bytes. */
const LIMIT = 4 * 1024 * 1024;

/** An image and its names. */
export interface NamedDescriptor {
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
  /** Its names in full. */
  readonly names?: readonly string[];
}

/** Whether a tag, a digest or a whole name means an image. */
function isNamed(
  { descriptor, names = [] }: NamedDescriptor,
  name: string,
): boolean {
  return descriptor.digest === name ||
    names.some((one) => one === name || parseReference(one).tag === name);
}

/**
 * Looks at images of a store as at a repository of a registry: verifying signatures takes it, without any network.
 *
 * @param store Where they are.
 * @param images What is in the repository: images, their signatures, attestations and other referrers.
 * @returns The repository.
 *
 * @example Usage
 * ```ts ignore
 * import { storeRepository } from "@containerkit/distribution/archive";
 * import { verifier } from "@containerkit/distribution/sign";
 *
 * const registry = storeRepository(store, [image, signature]);
 * await verifier(policy)({ reference, descriptor: image.descriptor, registry });
 * ```
 */
export function storeRepository(
  store: Pick<BlobStore, "stat" | "open">,
  images: readonly NamedDescriptor[],
): Repository {
  const read: Repository["read"] = (
    descriptor,
    { limit = LIMIT, signal } = {},
  ) => readBlob(store, descriptor, { limit, signal });
  return {
    read,
    resolve: (name) =>
      Promise.resolve(images.find((image) => isNamed(image, name))?.descriptor),
    open: ({ digest }, options) => store.open(digest, options),
    async *referrers(subject, { artifactType, signal } = {}) {
      for (const { descriptor } of images) {
        if (!isDocument(descriptor)) continue;
        const bytes = await read(
          descriptor,
          signal === undefined ? {} : { signal },
        );
        const manifest = parseManifest(bytes, descriptor);
        if (manifest.subject?.digest !== subject.digest) continue;
        const referrer = toReferrer(descriptor, bytes);
        if (
          artifactType === undefined || referrer.artifactType === artifactType
        ) yield referrer;
      }
    },
  };
}
