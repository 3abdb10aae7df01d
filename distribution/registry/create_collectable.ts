/**
 * What a registry has, for garbage collection.
 *
 * @module
 */

import type { PrunableIndex } from "./prunable_index.ts";

/** What a registry has, as `@containerkit/content` collects garbage around it. Structural: a `Collectable`. */
export interface RegistryCollectable {
  /** The name of its things in references. */
  readonly type: "registry";
  /** Lists the digests that a repository has, or had until a moment ago. */
  list(): AsyncIterable<
    { readonly id: string; readonly root: true; readonly created: Date }
  >;
  /** The blob of a digest, if a repository has it. */
  references(
    id: string,
  ): AsyncIterable<{ readonly type: "blob"; readonly id: string }>;
  /** Removes nothing: `pruneRegistry()` does. */
  remove(id: string): Promise<false>;
}

/**
 * Makes `collect()` of `@containerkit/content` keep what a registry has: every manifest and blob that one of its repositories
 * has, whether something needs it there or not. With it collecting is safe while the registry serves, here or in another process.
 *
 * @param index The registry's index.
 * @returns What to give to `collect()` as one of its `collectables`.
 *
 * @example Usage
 * ```ts
 * import { collect, openStore } from "@containerkit/content";
 * import {
 *   createCollectable,
 *   createMemoryIndex,
 *   createRegistry,
 * } from "@containerkit/distribution/registry";
 * import { digestBytes } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * {
 *   using store = await openStore({ root });
 *   const index = createMemoryIndex();
 *   await using registry = createRegistry({ store, index });
 *   const digest = digestBytes("hello");
 *   const url = `http://localhost/v2/app/blobs/uploads/?digest=${digest}`;
 *   await registry(new Request(url, { method: "POST", body: "hello" }));
 *   const collectables = [createCollectable(index)];
 *   await collect(store, { collectables, grace: 0 });
 *   assert(await store.stat(digest));
 * }
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function createCollectable(index: PrunableIndex): RegistryCollectable {
  return {
    type: "registry",
    async *list() {
      for (const id of await index.folders("holders")) {
        yield { id, root: true, created: new Date(0) };
      }
    },
    async *references(id) {
      const holders = await index.list(`holders/${id}`);
      if (holders.length > 0) yield { type: "blob", id };
    },
    remove: () => Promise.resolve(false),
  };
}
