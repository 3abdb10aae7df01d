/**
 * Locking a file, waiting for others.
 *
 * @module
 */

import type { FileLock } from "./file_lock.ts";
import { tryLockFile, type TryLockFileOptions } from "./try_lock_file.ts";

const SHORTEST_PAUSE = 1;
const LONGEST_PAUSE = 50;

/** Options of {@linkcode lockFile}. */
export interface LockFileOptions extends TryLockFileOptions {
  /** Ends the waiting. */
  signal?: AbortSignal;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    function abort(): void {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Locks a file, waiting until nobody else holds it.
 *
 * It asks again and again with growing pauses (1 to 50 ms) instead of blocking in the kernel: a blocked call keeps a
 * thread of the runtime's pool and cannot be aborted. Who waits longest is not served first.
 *
 * @param path The file; made, empty and for this user only, if it is not there.
 * @param options How it is locked, and what ends the wait.
 * @returns The lock; closing it lets go.
 * @throws {Deno.errors.NotFound} If the folder is not there; without `create`, also if the file is not.
 * @throws {DOMException} Of the signal, if it is aborted first.
 *
 * @see https://man7.org/linux/man-pages/man2/flock.2.html
 *
 * @example Usage
 * ```ts
 * import { lockFile } from "@containerkit/state";
 *
 * const folder = Deno.makeTempDirSync();
 * {
 *   using _a = await lockFile(`${folder}/lock`, { exclusive: false });
 *   using _b = await lockFile(`${folder}/lock`, { exclusive: false });
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function lockFile(
  path: string,
  options: LockFileOptions = {},
): Promise<FileLock> {
  const { signal } = options;
  for (let wait = SHORTEST_PAUSE;; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
    signal?.throwIfAborted();
    const lock = tryLockFile(path, options);
    if (lock !== undefined) return lock;
    await pause(wait * (0.5 + Math.random() / 2), signal);
  }
}
