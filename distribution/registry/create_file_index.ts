/**
 * A registry's index in files.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import type { RegistryIndex } from "./registry_index.ts";

async function orNothing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory ||
      // Nothing was ever set under a name that is too long.
      (error as { code?: unknown }).code === "ENAMETOOLONG"
    ) return undefined;
    throw error;
  }
}

/** Makes the names in a folder durable. */
async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

/** Makes a folder, and durable that it is there. */
async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    const isTop = dirname(path) === path;
    if (isTop || !(error instanceof Deno.errors.NotFound)) throw error;
    await makeFolder(dirname(path));
    return await makeFolder(path);
  }
  await syncFolder(dirname(path));
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
  return {
    get: (key) => orNothing(Deno.readTextFile(`${path}/${key}`)),
    async set(key, value) {
      const target = `${path}/${key}`;
      const folder = dirname(target);
      await makeFolder(folder);
      // Not a number that a process before this one may have had.
      const temporary = `${folder}/.new-${crypto.randomUUID()}`;
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
        await syncFolder(folder);
      } catch (error) {
        await orNothing(Deno.remove(temporary));
        throw error;
      }
    },
    async delete(key) {
      const target = `${path}/${key}`;
      await orNothing(Deno.remove(target));
      // Also if it was gone: an earlier call may have failed in between.
      await orNothing(syncFolder(dirname(target)));
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
