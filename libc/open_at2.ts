/**
 * Opening files with the kernel's own containment.
 *
 * @module
 */

import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { symbols } from "./_symbols.ts";
import { SyscallError } from "./syscall_error.ts";

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const O_CREAT = 0o100;
/** `openat2` has one number on every architecture. */
const SYS_OPENAT2 = 437;
const EINTR = 4;
const EAGAIN = 11;
/** A rename raced with the walk; the kernel asks to try again. */
const ATTEMPTS = 128;

/** `struct open_how { u64 flags, mode, resolve; }`; the kernel has read it when the call returns. */
const howBytes = new Uint8Array(24);
const how = new DataView(howBytes.buffer);

/** How a path may be resolved; combine with `|`. See openat2(2). */
export const Resolve = {
  /** Refuses to cross a mount point. */
  NO_XDEV: 0x01,
  /** Refuses links such as `/proc/self/fd/3`. */
  NO_MAGICLINKS: 0x02,
  /** Refuses symbolic links anywhere in the path. */
  NO_SYMLINKS: 0x04,
  /** Refuses to leave the directory. */
  BENEATH: 0x08,
  /** Takes the directory as the root, as chroot(2) would: `..` and absolute links stay inside. */
  IN_ROOT: 0x10,
} as const;

/** Options of {@linkcode openAt2}. */
export interface OpenAt2Options {
  /**
   * How to open; `O_CLOEXEC` is always added.
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
  /**
   * How the path may be resolved.
   *
   * @default {Resolve.IN_ROOT | Resolve.NO_MAGICLINKS}
   */
  resolve?: number;
}

/**
 * Opens a file and lets the kernel enforce where the path may lead, as
 * openat2(2) does. For every path that comes from outside.
 *
 * @param directory Where the path starts, and with `IN_ROOT` its root; `undefined` is the working directory.
 * @param path The file; must not contain NUL.
 * @param options Flags, mode and containment.
 * @returns The open descriptor, close-on-exec.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses: `EXDEV` or `ELOOP` where the containment does.
 *
 * @example A link that climbs stays inside
 * ```ts
 * import { openAt, openAt2, OpenFlag } from "@containerkit/libc";
 *
 * using etc = openAt(undefined, "/etc", OpenFlag.DIRECTORY);
 * using _hostname = openAt2(etc, "/../../hostname");
 * ```
 */
export function openAt2(
  directory: Fd | undefined,
  path: string,
  options: OpenAt2Options = {},
): Fd {
  const { flags = 0, resolve = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS } =
    options;
  // A mode without O_CREAT is refused.
  const mode = flags & O_CREAT ? options.mode ?? 0o600 : 0;
  const dirfd = directory?.number ?? AT_FDCWD;
  for (let attempt = 1;; attempt++) {
    how.setUint32(0, flags | O_CLOEXEC, true);
    how.setUint32(8, mode, true);
    how.setUint32(16, resolve, true);
    const number = symbols().openat2(
      SYS_OPENAT2,
      dirfd,
      cStringOnce(path),
      howBytes,
      24n,
    );
    if (number >= 0) return new Fd(number);
    const code = errno();
    if (code === EINTR) continue;
    if (code === EAGAIN && attempt < ATTEMPTS) continue;
    throw new SyscallError(`open "${path}"`, {
      syscall: "openat2",
      errno: code,
      path,
    });
  }
}
