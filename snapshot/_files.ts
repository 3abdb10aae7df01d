/** System calls on one name in an open directory, on reused buffers: what the hot loops are made of. */
import { errno, SyscallError } from "@containerkit/libc";
import { decodeText, encodeText } from "@containerkit/tar";
import { layerSymbols } from "./_layer_symbols.ts";

export const AT_EMPTY_PATH = 0x1000;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_NOFOLLOW = 0x100;
const ARM = Deno.build.arch === "aarch64";
export const O_DIRECTORY = ARM ? 0o40000 : 0o200000;
export const O_NOFOLLOW = ARM ? 0o100000 : 0o400000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o40000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o20000;
export const S_IFBLK = 0o60000;
export const S_IFIFO = 0o10000;
export const S_IFSOCK = 0o140000;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const EEXIST = 17;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const ENODATA = 61;
export const EOPNOTSUPP = 95;
export const ELOOP = 40;
export const EPERM = 1;
export const ERANGE = 34;
export const ENOTEMPTY = 39;
const SYS_OPENAT2 = 437;

const encoder = new TextEncoder();
/** Up to here a name is written by hand. */
const SHORT = 64;

/** A buffer for one C string; grows as needed. */
export class CName {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);

  /** Puts a string there, with its NUL, and gives the buffer. */
  set(text: string): Uint8Array<ArrayBuffer> {
    if (text.length * 3 >= this.bytes.length) {
      this.bytes = new Uint8Array(text.length * 4 + 1);
    }
    if (this.#isShortAscii(text)) return this.bytes;
    if (text.isWellFormed()) {
      const { written } = encoder.encodeInto(text, this.bytes);
      this.bytes[written] = 0;
    } else {
      const bytes = encodeText(text);
      this.bytes.set(bytes);
      this.bytes[bytes.length] = 0;
    }
    return this.bytes;
  }

  /** Puts a name there as most are, for which the encoder takes several times as long. */
  #isShortAscii(text: string): boolean {
    if (text.length > SHORT) return false;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) return false;
      this.bytes[index] = code;
    }
    this.bytes[text.length] = 0;
    return true;
  }
}

/** Says what was refused. */
export function refused(
  action: string,
  syscall: string,
  code: number,
  path: string,
): SyscallError {
  return new SyscallError(`${action} ${JSON.stringify(path)}`, {
    syscall,
    errno: code,
    path,
  });
}

/** The fields of `struct statx` that matter here. */
export interface Stat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly ino: bigint;
  readonly size: number;
  readonly blocks: number;
  readonly atime: number;
  readonly atimeNs: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly major: number;
  readonly minor: number;
  /** The filesystem, as one number. */
  readonly dev: number;
}

const statBuffer = new Uint8Array(256);
const statView = new DataView(statBuffer.buffer);
const STATX_BASIC = 0x7ff;
const scratch = new CName();

/**
 * Looks at a name in a directory, never through a link.
 *
 * @returns What is there, or the error number, negative.
 */
export function lstatAt(dirfd: number, name: string): Stat | number {
  const flags = name === "" ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  const bytes = scratch.set(name);
  const result = layerSymbols().statx(
    dirfd,
    bytes,
    flags,
    STATX_BASIC,
    statBuffer,
  );
  if (result < 0) return -errno();
  const view = statView;
  return {
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    ino: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    atime: Number(view.getBigInt64(64, true)),
    atimeNs: view.getUint32(72, true),
    mtime: Number(view.getBigInt64(112, true)),
    mtimeNs: view.getUint32(120, true),
    major: view.getUint32(128, true),
    minor: view.getUint32(132, true),
    dev: view.getUint32(136, true) * 0x100000000 + view.getUint32(140, true),
  };
}

/** Refuses `..`, links and mounts of procfs alike: the name is a child or nothing. */
const RESOLVE_CHILD = 0x02 | 0x04 | 0x08;
/** Takes the directory for the root of the path, and of the links on it. */
export const RESOLVE_IN_ROOT = 0x02 | 0x10;
const how = new Uint32Array(6);

/**
 * Opens a name in a directory; the kernel sees to it that it is there and no link.
 *
 * @param resolve How else a path may be resolved.
 * @returns The descriptor, or the error number, negative: `ELOOP` is a link.
 */
export function openChild(
  dirfd: number,
  name: string,
  flags: number,
  resolve = RESOLVE_CHILD,
): number {
  const bytes = scratch.set(name);
  how[0] = flags | O_CLOEXEC;
  how[4] = resolve;
  const libc = layerSymbols();
  for (let attempt = 0;; attempt++) {
    const fd = libc.openat2(SYS_OPENAT2, dirfd, bytes, how, 24n);
    if (fd >= 0) return fd;
    const code = errno();
    if (code === EINTR || (code === EAGAIN && attempt < 128)) continue;
    return -code;
  }
}

const linkBuffer = new Uint8Array(4097);

/** Reads a symbolic link; a number is the error, negative. */
export function readLinkAt(dirfd: number, name: string): string | number {
  const bytes = scratch.set(name);
  const length = Number(
    layerSymbols().readlinkat(dirfd, bytes, linkBuffer, 4097n),
  );
  if (length < 0) return -errno();
  return decodeText(linkBuffer.subarray(0, length));
}

const LISTING = 32768;
/** Read to its end before the next call. */
const listing = new Uint8Array(LISTING);
const listingView = new DataView(listing.buffer);

/**
 * Lists the next names of a directory, without `.` and `..`: some hundreds, or none at its end.
 *
 * @param fd The directory.
 * @param path Its name, for errors.
 */
export function listSome(
  fd: number,
  path: string,
): { name: string; type: number }[] {
  const list: { name: string; type: number }[] = [];
  const libc = layerSymbols();
  while (list.length === 0) {
    const length = Number(libc.getdents64(fd, listing, BigInt(LISTING)));
    if (length < 0) throw refused("list", "getdents64", errno(), path);
    if (length === 0) break;
    for (let at = 0; at < length;) {
      const size = listingView.getUint16(at + 16, true);
      const end = listing.indexOf(0, at + 19);
      const name = decodeText(listing.subarray(at + 19, end));
      if (name !== "." && name !== "..") {
        list.push({ name, type: listing[at + 18]! });
      }
      at += size;
    }
  }
  return list;
}

/** Lists a directory from where it is read to its end; see {@linkcode listSome}. */
export function listDir(
  fd: number,
  path: string,
): { name: string; type: number }[] {
  const list = listSome(fd, path);
  for (let some = list; some.length > 0;) {
    some = listSome(fd, path);
    list.push(...some);
  }
  return list;
}

/** The name of something in an open directory as a path that follows no link but the descriptor's. */
export function procPath(fd: number, name = ""): string {
  return `/proc/self/fd/${fd}/${name === "" ? "." : name}`;
}

const timesBuffer = new Uint32Array(8);

/** Fills the two `struct timespec` that the calls for times take. */
export function timespecs(
  atime: number,
  atimeNs: number,
  mtime: number,
  mtimeNs: number,
): Uint32Array<ArrayBuffer> {
  timesBuffer[0] = atime >>> 0;
  timesBuffer[1] = Math.floor(atime / 0x100000000);
  timesBuffer[2] = atimeNs;
  timesBuffer[4] = mtime >>> 0;
  timesBuffer[5] = Math.floor(mtime / 0x100000000);
  timesBuffer[6] = mtimeNs;
  return timesBuffer;
}
