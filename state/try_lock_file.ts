/**
 * Locking a file if nobody else has.
 *
 * @module
 */

import { FileLock } from "./file_lock.ts";

/** Options of {@linkcode tryLockFile}. */
export interface TryLockFileOptions {
  /**
   * Whether to be alone; else any number may share the lock.
   *
   * @default {true}
   */
  exclusive?: boolean;
  /**
   * Whether the file is made if it is not there. Where its folder may be removed meanwhile, it should not be: it would
   * be made anew, and two would hold a lock.
   *
   * @default {true}
   */
  create?: boolean;
}

/** Whether the path still names the open file: it may have been removed or replaced since it was opened. */
function isCurrent(path: string, file: Deno.FsFile): boolean {
  try {
    const named = Deno.statSync(path);
    const open = file.statSync();
    return named.ino === open.ino && named.dev === open.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Locks a file without waiting, as `flock(2)` with `LOCK_NB` does. Two locks of one process exclude each other like
 * those of two. Removing the file while holding it is safe: whoever waits notices and takes the new one.
 *
 * @param path The file; made, empty and for this user only, if it is not there.
 * @param options How it is locked.
 * @returns The lock, or `undefined` if another holds it.
 * @throws {Deno.errors.NotFound} If the folder is not there; without `create`, also if the file is not.
 *
 * @example Usage
 * ```ts
 * import { tryLockFile } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * using lock = tryLockFile(`${folder}/lock`);
 * assertEquals(tryLockFile(`${folder}/lock`), undefined);
 * lock?.close();
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function tryLockFile(
  path: string,
  options: TryLockFileOptions = {},
): FileLock | undefined {
  const { exclusive = true, create = true } = options;
  for (;;) {
    const file = Deno.openSync(path, {
      read: true,
      write: true,
      create,
      mode: 0o600,
    });
    try {
      if (!file.tryLockSync(exclusive)) {
        file.close();
        return undefined;
      }
      if (isCurrent(path, file)) return new FileLock(path, file);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
}
