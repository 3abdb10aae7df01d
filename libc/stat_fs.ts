/**
 * What the kernel knows of a filesystem.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";

/** Numbers by which statfs(2) names filesystems. */
export const FsMagic = {
  AUFS: 0x61756673,
  BTRFS: 0x9123683e,
  CGROUP: 0x27e0eb,
  CGROUP2: 0x63677270,
  EROFS: 0xe0f5e1e2,
  EXT4: 0xef53,
  FUSE: 0x65735546,
  NFS: 0x6969,
  NSFS: 0x6e736673,
  OVERLAY: 0x794c7630,
  PROC: 0x9fa0,
  SQUASHFS: 0x73717368,
  TMPFS: 0x01021994,
  XFS: 0x58465342,
  ZFS: 0x2fc12fc1,
} as const;

/** A filesystem as statfs(2) describes it. */
export interface StatFs {
  /** Which kind, see {@linkcode FsMagic}. */
  readonly type: number;
  /** Bytes a block. */
  readonly blockSize: number;
  /** Its size in bytes. */
  readonly size: number;
  /** Free bytes. */
  readonly free: number;
  /** Free bytes that an unprivileged user may take. */
  readonly available: number;
  /** How many files it can hold; 0 where there is no limit. */
  readonly files: number;
  /** How many more. */
  readonly filesFree: number;
  /** `ST_RDONLY` (1), `ST_NOSUID` (2) and so on, see statvfs(3). */
  readonly flags: number;
}

/** `struct statfs`; the kernel has written it when the call returns. */
const bytes = new Uint8Array(120);
const view = new DataView(bytes.buffer);

/**
 * Tells what the kernel knows of the filesystem of a file, as statfs(2) does.
 *
 * @param file The file, by path or descriptor.
 * @returns What it knows.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { FsMagic, statFs } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(statFs("/proc").type, FsMagic.PROC);
 * ```
 */
export function statFs(file: string | Fd): StatFs {
  const isFd = file instanceof Fd;
  const result = isFd
    ? files().fstatfs(file.number, bytes)
    : files().statfs(cStringOnce(file), bytes);
  if (result !== 0) {
    throw failure(
      errno(),
      isFd ? "fstatfs" : "statfs",
      isFd
        ? `look at the filesystem of descriptor ${file.number}`
        : `look at the filesystem of "${file}"`,
      isFd ? undefined : file,
    );
  }
  const word = (offset: number) => Number(view.getBigUint64(offset, true));
  const blockSize = word(8);
  return {
    type: view.getUint32(0, true),
    blockSize,
    size: word(16) * blockSize,
    free: word(24) * blockSize,
    available: word(32) * blockSize,
    files: word(40),
    filesFree: word(48),
    flags: word(80),
  };
}
