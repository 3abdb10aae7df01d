/**
 * A registry's index in files.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { lockIndex } from "./_lock_index.ts";
import type { PrunableIndex } from "./prunable_index.ts";

/** So many times a folder may be removed while something is written into it. */
const ATTEMPTS = 10;

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

/** Writes a file as a whole, and makes it durable. */
async function writeFile(target: string, value: string): Promise<void> {
  const folder = dirname(target);
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
}

async function entriesOf(folder: string): Promise<readonly Deno.DirEntry[]> {
  return await orNothing(Array.fromAsync(Deno.readDir(folder))) ?? [];
}

/**
 * Makes an index that keeps each value in a file of its own, written durably and at once. One process serves it at a time;
 * others may prune it.
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
export function createFileIndex(path: string): PrunableIndex {
  return {
    get: (key) => orNothing(Deno.readTextFile(`${path}/${key}`)),
    async set(key, value) {
      const target = `${path}/${key}`;
      for (let attempt = 1;; attempt++) {
        await makeFolder(dirname(target));
        try {
          return await writeFile(target, value);
        } catch (error) {
          // The last name in the folder was removed, and the folder with it.
          const isGone = error instanceof Deno.errors.NotFound;
          if (!isGone || attempt === ATTEMPTS) throw error;
        }
      }
    },
    async delete(key) {
      const target = `${path}/${key}`;
      await orNothing(Deno.remove(target));
      // Also if it was gone: an earlier call may have failed in between.
      await orNothing(syncFolder(dirname(target)));
      // Each would take up a block for ever. It is refused while there is something in it.
      await Deno.remove(dirname(target)).catch(() => {});
    },
    async list(folder) {
      return (await entriesOf(`${path}/${folder}`)).filter(({ name, isFile }) =>
        isFile && !name.startsWith(".")
      ).map(({ name }) => name).toSorted();
    },
    async folders(folder) {
      return (await entriesOf(`${path}/${folder}`))
        .filter(({ isDirectory }) => isDirectory)
        .map(({ name }) => name).toSorted();
    },
    async lock(options) {
      await makeFolder(path);
      return await lockIndex(path, options);
    },
  };
}
