/**
 * Opening files relative to a directory.
 *
 * @module
 */

import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import { symbols } from "./_symbols.ts";
import { Fd } from "./fd.ts";
import { SyscallError } from "./syscall_error.ts";

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const DEFAULT_MODE = 0o600;
/** `O_DIRECTORY` and `O_NOFOLLOW` are two of the few flags that differ by architecture. */
const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0o40000 : 0o200000;
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;

/** How to open a file; combine with `|`. */
export const OpenFlag: {
  readonly RDONLY: number;
  readonly WRONLY: number;
  readonly RDWR: number;
  readonly CREAT: number;
  readonly EXCL: number;
  readonly TRUNC: number;
  readonly APPEND: number;
  readonly NONBLOCK: number;
  readonly DIRECTORY: number;
  readonly NOFOLLOW: number;
  readonly PATH: number;
  /** A file without a name in the directory that is opened. */
  readonly TMPFILE: number;
} = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: O_DIRECTORY,
  NOFOLLOW: O_NOFOLLOW,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | O_DIRECTORY,
};

/** Options of {@linkcode openAt}. */
export interface OpenAtOptions {
  /**
   * How to open; `O_CLOEXEC` is always added, so that no child inherits it.
   *
   * @default {OpenFlag.RDONLY}
   */
  flags?: number;
  /**
   * Permission bits of a file that is created, before the umask.
   *
   * @default {0o600}
   */
  mode?: number;
}

/**
 * Opens a file relative to a directory, as openat(2) does.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The file; must not contain NUL.
 * @param options Flags and mode; a number is short for `{ flags }`.
 * @returns The open descriptor, close-on-exec.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { openAt, OpenFlag } from "@containerkit/libc";
 *
 * using etc = openAt(undefined, "/etc", OpenFlag.DIRECTORY);
 * using _hostname = openAt(etc, "hostname");
 * ```
 */
export function openAt(
  directory: Fd | undefined,
  path: string,
  options: OpenAtOptions | number = {},
): Fd {
  const isNumber = typeof options === "number";
  const flags = isNumber ? options : options.flags ?? OpenFlag.RDONLY;
  const mode = isNumber ? DEFAULT_MODE : options.mode ?? DEFAULT_MODE;
  const dirfd = directory === undefined ? AT_FDCWD : directory.number;
  for (;;) {
    const number = symbols().openat(
      dirfd,
      cStringOnce(path),
      flags | O_CLOEXEC,
      mode,
    );
    if (number >= 0) return new Fd(number);
    const code = errno();
    if (code === 4) continue; // EINTR: nothing was opened
    throw new SyscallError(`open "${path}"`, {
      syscall: "openat",
      errno: code,
      path,
    });
  }
}
