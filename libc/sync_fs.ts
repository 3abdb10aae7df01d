/**
 * Making writes durable.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/**
 * Writes everything that is pending for a filesystem to its device, as syncfs(2) does.
 *
 * Takes as long as the device does, on this thread: beside an event loop use a worker.
 *
 * @param file Any open file of the filesystem.
 * @throws {SyscallError} If the kernel refuses, or a write failed since the file was opened (`EIO`, `ENOSPC`).
 *
 * @example Usage
 * ```ts ignore
 * import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
 *
 * using store = openAt(undefined, "/var/lib/containerkit", OpenFlag.DIRECTORY);
 * syncFs(store);
 * ```
 */
export function syncFs(file: Fd): void {
  if (files().syncfs(file.number) === 0) return;
  throw failure(
    errno(),
    "syncfs",
    `sync the filesystem of descriptor ${file.number}`,
  );
}
