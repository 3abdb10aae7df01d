/**
 * What the kernel knows of a file.
 *
 * @module
 */

import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** `STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID`. */
const MASK = 0x7ff | 0x800 | 0x1000;
/** `STATX_MNT_ID_UNIQUE`, of Linux 6.8. */
const MNT_ID_UNIQUE = 0x4000;

/** Attributes of a file that the kernel reports, see statx(2). */
export const StatAttribute = {
  COMPRESSED: 0x4,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  NODUMP: 0x40,
  ENCRYPTED: 0x800,
  AUTOMOUNT: 0x1000,
  /** A filesystem is mounted here. */
  MOUNT_ROOT: 0x2000,
  /** Protected by fs-verity. */
  VERITY: 0x100000,
  DAX: 0x200000,
} as const;

/** A file as statx(2) describes it. */
export interface Stat {
  /** Kind and permission bits, see `FileType`. */
  readonly mode: number;
  /** User id. */
  readonly uid: number;
  /** Group id. */
  readonly gid: number;
  /** How many names it has. */
  readonly links: number;
  /** Its number in the filesystem. */
  readonly inode: bigint;
  /** In bytes. */
  readonly size: number;
  /** Space it takes, in units of 512 bytes. */
  readonly blocks: number;
  /** Major number of the device it is on. */
  readonly major: number;
  /** Minor number of the device it is on. */
  readonly minor: number;
  /** Major number of the device that it stands for. */
  readonly deviceMajor: number;
  /** Minor number of the device that it stands for. */
  readonly deviceMinor: number;
  /** Last access, in nanoseconds since 1970. */
  readonly atime: bigint;
  /** Last change of the content, in nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Last change of the inode, in nanoseconds since 1970. */
  readonly ctime: bigint;
  /** When it was made, in nanoseconds since 1970; 0 where the filesystem does not know. */
  readonly btime: bigint;
  /** Of {@linkcode StatAttribute}. */
  readonly attributes: number;
  /** The mount it was found through, as mountinfo numbers it, or with `uniqueMountId` as statmount(2) does. */
  readonly mountId: number;
}

/** Options of {@linkcode statAt}. */
export interface StatAtOptions {
  /**
   * Follows a symbolic link at the end of the path.
   *
   * @default {false}
   */
  follow?: boolean;
  /**
   * Gives the number of the mount that is never used again (Linux 6.8; before it there is none, and the other is given).
   *
   * @default {false}
   */
  uniqueMountId?: boolean;
}

/** `struct statx`; the kernel has written it when the call returns. */
const bytes = new Uint8Array(256);
const view = new DataView(bytes.buffer);

function time(offset: number): bigint {
  return view.getBigInt64(offset, true) * 1_000_000_000n +
    BigInt(view.getUint32(offset + 8, true));
}

/**
 * Tells what the kernel knows of a file, as statx(2) does.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The file; an empty path is the descriptor itself.
 * @param options Whether to follow a link.
 * @returns What it knows.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { FileType, statAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const { mode } = statAt(undefined, "/etc");
 * assertEquals(mode & FileType.MASK, FileType.DIRECTORY);
 * ```
 */
export function statAt(
  directory: Fd | undefined,
  path: string,
  options: StatAtOptions = {},
): Stat {
  const flags = AT_EMPTY_PATH | (options.follow ? 0 : AT_SYMLINK_NOFOLLOW);
  const result = files().statx(
    dirfd(directory),
    cStringOnce(path),
    flags,
    options.uniqueMountId ? MASK | MNT_ID_UNIQUE : MASK,
    bytes,
  );
  if (result !== 0) throw failure(errno(), "statx", `look at "${path}"`, path);
  return {
    mode: view.getUint16(28, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    links: view.getUint32(16, true),
    inode: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    major: view.getUint32(136, true),
    minor: view.getUint32(140, true),
    deviceMajor: view.getUint32(128, true),
    deviceMinor: view.getUint32(132, true),
    atime: time(64),
    btime: time(80),
    ctime: time(96),
    mtime: time(112),
    // The upper half of `stx_attributes` has no bit yet.
    attributes: view.getUint32(8, true),
    mountId: Number(view.getBigUint64(144, true)),
  };
}
