/**
 * Making device files, pipes and sockets.
 *
 * @module
 */

import { dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** The kind of a file, as the upper bits of its mode say it. See inode(7). */
export const FileType = {
  FIFO: 0o010000,
  CHAR: 0o020000,
  DIRECTORY: 0o040000,
  BLOCK: 0o060000,
  REGULAR: 0o100000,
  SYMLINK: 0o120000,
  SOCKET: 0o140000,
  /** The bits of a mode that hold the kind. */
  MASK: 0o170000,
} as const;

/** Options of {@linkcode mknodAt}. */
export interface MknodAtOptions {
  /** Kind and permission bits, such as `FileType.CHAR | 0o600`, before the umask. */
  mode: number;
  /**
   * Major number of a device.
   *
   * @default {0}
   */
  major?: number;
  /**
   * Minor number of a device.
   *
   * @default {0}
   */
  minor?: number;
}

/** `makedev()` of glibc. */
function deviceNumber(major: number, minor: number): bigint {
  const a = BigInt(major);
  const b = BigInt(minor);
  return (b & 0xffn) | ((a & 0xfffn) << 8n) | ((b & ~0xffn) << 12n) |
    ((a & ~0xfffn) << 32n);
}

/**
 * Makes a device file, a named pipe, a socket or an empty file, as mknodat(2) does.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The new file; must not contain NUL.
 * @param options What it is.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example A named pipe
 * ```ts
 * import { FileType, mknodAt } from "@containerkit/libc";
 * import { assert } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * mknodAt(undefined, `${path}/pipe`, { mode: FileType.FIFO | 0o600 });
 * assert(Deno.statSync(`${path}/pipe`).isFifo);
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export function mknodAt(
  directory: Fd | undefined,
  path: string,
  options: MknodAtOptions,
): void {
  const { mode, major = 0, minor = 0 } = options;
  const device = deviceNumber(major, minor);
  if (
    files().mknodat(dirfd(directory), cStringOnce(path), mode, device) === 0
  ) {
    return;
  }
  throw failure(errno(), "mknodat", `make the file "${path}"`, path);
}
