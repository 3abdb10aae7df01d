/**
 * Making writes durable.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { FILE_CALLS } from "./file_calls.ts";
import { library } from "./library.ts";

const EIO = 5;

const onPool = library({
  /** `int syncfs(int fd)`, on a thread of the pool. */
  syncfs: { ...FILE_CALLS.syncfs, nonblocking: true },
});

/**
 * Writes everything that is pending for a filesystem to its device, as syncfs(2)
 * does, on a thread of Deno's pool.
 *
 * @param file Any open file of the filesystem.
 * @returns When it is on the device.
 * @throws {SyscallError} If the kernel refuses, or a write failed since the file was opened (`EIO`, `ENOSPC`).
 *
 * @example Usage
 * ```ts
 * import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
 *
 * using folder = openAt(undefined, "/dev/shm", OpenFlag.DIRECTORY);
 * await syncFs(folder);
 * ```
 */
export async function syncFs(file: Fd): Promise<void> {
  if (await onPool().syncfs(file.number) === 0) return;
  // The number of the error is on the other thread: ask again from here.
  syncFsSync(file);
  // A lost write is told once.
  throw failure(
    EIO,
    "syncfs",
    `sync the filesystem of descriptor ${file.number}`,
  );
}

/**
 * Does what {@linkcode syncFs} does on this thread, for as long as it takes.
 *
 * @param file Any open file of the filesystem.
 * @throws {SyscallError} If the kernel refuses, or a write failed since the file was opened (`EIO`, `ENOSPC`).
 *
 * @example Usage
 * ```ts
 * import { openAt, OpenFlag, syncFsSync } from "@containerkit/libc";
 *
 * using folder = openAt(undefined, "/dev/shm", OpenFlag.DIRECTORY);
 * syncFsSync(folder);
 * ```
 */
export function syncFsSync(file: Fd): void {
  if (files().syncfs(file.number) === 0) return;
  throw failure(
    errno(),
    "syncfs",
    `sync the filesystem of descriptor ${file.number}`,
  );
}
