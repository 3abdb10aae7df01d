/**
 * A registry's index that is gone with the process.
 *
 * @module
 */

import { SharedLock } from "./_shared_lock.ts";
import type { PrunableIndex } from "./prunable_index.ts";

/**
 * Makes an index in memory.
 *
 * @returns The index, empty.
 *
 * @example Usage
 * ```ts
 * import { createMemoryIndex } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const index = createMemoryIndex();
 * await index.set("a/b", "1");
 * assertEquals(await index.list("a"), ["b"]);
 * ```
 */
export function createMemoryIndex(): PrunableIndex {
  const lock = new SharedLock();
  const folders = new Map<string, Map<string, string>>();
  const split = (key: string): [string, string] => {
    const at = key.lastIndexOf("/");
    return [key.slice(0, at), key.slice(at + 1)];
  };
  return {
    get(key) {
      const [folder, name] = split(key);
      return Promise.resolve(folders.get(folder)?.get(name));
    },
    set(key, value) {
      const [folder, name] = split(key);
      let values = folders.get(folder);
      if (values === undefined) folders.set(folder, values = new Map());
      values.set(name, value);
      return Promise.resolve();
    },
    delete(key) {
      const [folder, name] = split(key);
      const values = folders.get(folder);
      values?.delete(name);
      if (values?.size === 0) folders.delete(folder);
      return Promise.resolve();
    },
    list: (path) =>
      Promise.resolve([...folders.get(path)?.keys() ?? []].toSorted()),
    folders(path) {
      const start = `${path}/`;
      const below = [...folders.keys()].filter((folder) =>
        folder.startsWith(start)
      ).map((folder) => folder.slice(start.length).split("/", 1)[0]!);
      return Promise.resolve([...new Set(below)].toSorted());
    },
    lock: (options) => lock.lock(options),
  };
}
