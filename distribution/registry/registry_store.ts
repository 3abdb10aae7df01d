/**
 * Where a registry keeps its blobs.
 *
 * @module
 */

import type { BlobStore } from "../blob_store.ts";

/** A store of blobs that can lose some; `@containerkit/content`'s store is one. */
export interface RegistryStore extends BlobStore {
  /** Removes a blob. Without it a deleted blob can no longer be pulled, but stays in the store. */
  delete?(digest: string): Promise<unknown>;
  /** What was partly written. Without it the store keeps what is left of uploads that were refused or broke off. */
  readonly ingests?: {
    /** Lists it. */
    list(): Promise<readonly { readonly ref: string }[]>;
    /** Removes what was written by that name. */
    delete(ref: string): Promise<unknown>;
  };
}
