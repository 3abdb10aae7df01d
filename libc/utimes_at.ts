/**
 * Times of files.
 *
 * @module
 */

import { AT_SYMLINK_NOFOLLOW, dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** `UTIME_OMIT`: leave it as it is. */
const OMIT = 0x3ffffffen;
const SECOND = 1_000_000_000n;

/** `struct timespec[2]`; the kernel has read it when the call returns. */
const times = new BigInt64Array(4);

/** Options of {@linkcode utimesAt}. */
export interface UtimesAtOptions {
  /** Last access, in nanoseconds since 1970; stays by default. */
  atime?: bigint;
  /** Last change of the content, in nanoseconds since 1970; stays by default. */
  mtime?: bigint;
}

function put(index: number, nanoseconds: bigint | undefined): void {
  if (nanoseconds === undefined) {
    times[index] = 0n;
    times[index + 1] = OMIT;
    return;
  }
  // Rounds down, also before 1970: the kernel wants nanoseconds from 0.
  const rest = ((nanoseconds % SECOND) + SECOND) % SECOND;
  times[index] = (nanoseconds - rest) / SECOND;
  times[index + 1] = rest;
}

/**
 * Sets times of a file, as utimensat(2) does. A symbolic link at the end is not followed.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The file; must not contain NUL.
 * @param options The times.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example To the nanosecond
 * ```ts
 * import { statAt, utimesAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempFileSync();
 * utimesAt(undefined, path, { mtime: 1_000_000_001n });
 * assertEquals(statAt(undefined, path).mtime, 1_000_000_001n);
 * Deno.removeSync(path);
 * ```
 */
export function utimesAt(
  directory: Fd | undefined,
  path: string,
  options: UtimesAtOptions,
): void {
  put(0, options.atime);
  put(2, options.mtime);
  const result = files().utimensat(
    dirfd(directory),
    cStringOnce(path),
    times,
    AT_SYMLINK_NOFOLLOW,
  );
  if (result === 0) return;
  throw failure(errno(), "utimensat", `set the times of "${path}"`, path);
}
