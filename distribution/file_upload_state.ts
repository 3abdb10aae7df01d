/**
 * What is kept of unfinished pushes, in files.
 *
 * @module
 */

import { digestBytes } from "@containerkit/oci";
import type { UploadState } from "./upload_state.ts";

async function orNothing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Keeps where unfinished uploads are in a folder, a file each, readable by the user only.
 *
 * Requires `--allow-read` and `--allow-write` of the folder.
 *
 * @param path The folder; made when the first value is kept.
 * @returns For the option `uploads` of `push()` and `copy()`.
 *
 * @example Usage
 * ```ts
 * import { fileUploadState } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * await fileUploadState(path).set("key", "value");
 * assertEquals(await fileUploadState(path).get("key"), "value");
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export function fileUploadState(path: string): UploadState {
  // Keys are references with digests: too long for names, and full of slashes.
  const fileOf = (key: string) => `${path}/${digestBytes(key).slice(7)}`;
  return {
    get: (key) => orNothing(Deno.readTextFile(fileOf(key))),
    async set(key, value) {
      await Deno.mkdir(path, { recursive: true, mode: 0o700 });
      const temporary = `${fileOf(key)}.${crypto.randomUUID()}`;
      await Deno.writeTextFile(temporary, value, { mode: 0o600 });
      await Deno.rename(temporary, fileOf(key));
    },
    async delete(key) {
      await orNothing(Deno.remove(fileOf(key)));
    },
  };
}
