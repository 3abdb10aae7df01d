/**
 * A registry's index in files.
 *
 * @module
 */

import type { RegistryIndex } from "./registry_index.ts";

async function orNothing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory
    ) return undefined;
    throw error;
  }
}

/**
 * Makes an index that keeps each value in a file of its own, written durably and at once. One process uses it at a time.
 *
 * Requires `--allow-read` and `--allow-write` of the folder.
 *
 * @param path The folder; made when the first value is set.
 * @returns The index.
 *
 * @example Usage
 * ```ts
 * import { createFileIndex } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const index = createFileIndex(path);
 * await index.set("a/b", "1");
 * assertEquals(await createFileIndex(path).get("a/b"), "1");
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export function createFileIndex(path: string): RegistryIndex {
  let count = 0;
  return {
    get: (key) => orNothing(Deno.readTextFile(`${path}/${key}`)),
    async set(key, value) {
      const target = `${path}/${key}`;
      const folder = target.slice(0, target.lastIndexOf("/"));
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const temporary = `${folder}/.new-${Deno.pid}-${count++}`;
      try {
        await Deno.writeTextFile(temporary, value, {
          createNew: true,
          mode: 0o600,
        });
        {
          using file = await Deno.open(temporary);
          await file.sync();
        }
        await Deno.rename(temporary, target);
      } catch (error) {
        await orNothing(Deno.remove(temporary));
        throw error;
      }
    },
    async delete(key) {
      await orNothing(Deno.remove(`${path}/${key}`));
    },
    async list(folder) {
      const entries = await orNothing(
        Array.fromAsync(Deno.readDir(`${path}/${folder}`)),
      );
      return (entries ?? []).filter(({ name, isFile }) =>
        isFile && !name.startsWith(".new-")
      ).map(({ name }) => name).toSorted();
    },
  };
}
