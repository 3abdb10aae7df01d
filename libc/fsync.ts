/**
 * Making one file durable.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const EINTR = 4;

/** Options of {@linkcode fsync}. */
export interface FsyncOptions {
  /**
   * Only the content and what is needed to find it, not the times: fdatasync(2).
   *
   * @default {false}
   */
  dataOnly?: boolean;
}

/**
 * Writes what is pending for a file or directory to its device, as fsync(2) does.
 *
 * @param file The file or directory.
 * @param options What to write.
 * @throws {SyscallError} If the kernel refuses or a write failed.
 *
 * @example Make a new name durable
 * ```ts
 * import { fsync, openAt, OpenFlag } from "@containerkit/libc";
 *
 * const path = Deno.makeTempDirSync();
 * {
 *   using folder = openAt(undefined, path, OpenFlag.DIRECTORY);
 *   fsync(folder);
 * }
 * Deno.removeSync(path);
 * ```
 */
export function fsync(file: Fd, options: FsyncOptions = {}): void {
  for (;;) {
    const result = options.dataOnly
      ? files().fdatasync(file.number)
      : files().fsync(file.number);
    if (result === 0) return;
    const code = errno();
    if (code !== EINTR) {
      throw failure(
        code,
        options.dataOnly ? "fdatasync" : "fsync",
        `sync descriptor ${file.number}`,
      );
    }
  }
}
