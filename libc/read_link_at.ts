/**
 * Reading symbolic links.
 *
 * @module
 */

import { dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** `PATH_MAX`: no filesystem of Linux keeps a longer link. */
const LIMIT = 4096;
const decoder = new TextDecoder();

/**
 * Reads what a symbolic link says, as readlinkat(2) does.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The link; an empty path reads the descriptor itself, opened with `OpenFlag.PATH | OpenFlag.NOFOLLOW`.
 * @returns What it says.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { readLinkAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readLinkAt(undefined, "/proc/self"), String(Deno.pid));
 * ```
 */
export function readLinkAt(directory: Fd | undefined, path: string): string {
  const buffer = new Uint8Array(LIMIT);
  const size = Number(
    files().readlinkat(
      dirfd(directory),
      cStringOnce(path),
      buffer,
      BigInt(LIMIT),
    ),
  );
  if (size < 0) {
    throw failure(errno(), "readlinkat", `read the link "${path}"`, path);
  }
  return decoder.decode(buffer.subarray(0, size));
}
