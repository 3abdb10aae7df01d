/**
 * A store of blobs, to copy from.
 *
 * @module
 */

import { embedded, readBlob } from "./_read_blob.ts";
import type { BlobStore } from "./blob_store.ts";
import type { Repository } from "./open_repository.ts";

const LIMIT = 4 * 1024 * 1024;

/**
 * Shows a store as a repository without tags and referrers, so that `copy()` can push from it what `push()` cannot: whole
 * indexes.
 *
 * Requires what the store requires.
 *
 * @param store The store.
 * @returns The repository.
 *
 * @example Push an image for all its platforms
 * ```ts ignore
 * import { copy, openStoreRepository } from "@containerkit/distribution";
 *
 * const { descriptor } = (await store.images.get("app:1"))!;
 * await copy({ repository: openStoreRepository(store), descriptor }, "localhost:5000/app:1");
 * ```
 */
export function openStoreRepository(
  store: Pick<BlobStore, "open">,
): Repository {
  return {
    resolve: () => Promise.resolve(undefined),
    read: async (descriptor, { limit = LIMIT, signal } = {}) =>
      embedded(descriptor) ??
        await readBlob(store, descriptor, { limit, signal }),
    open: (descriptor, options) => store.open(descriptor.digest, options),
    async *referrers() {},
  };
}
