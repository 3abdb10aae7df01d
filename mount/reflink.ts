/**
 * Copies that share their blocks until one is written to: on btrfs, and on xfs made with reflinks.
 *
 * ```ts ignore
 * import { cloneFile } from "@containerkit/mount/reflink";
 *
 * await cloneFile("/srv/images/base.img", "/srv/images/one.img");
 * ```
 *
 * @module
 */

import {
  copyFileRange,
  type Fd,
  ioctl,
  openAt,
  OpenFlag,
  seek,
  statAt,
  SyscallError,
  truncate,
  unlinkAt,
  Whence,
} from "@containerkit/libc";

const FICLONE = 0x40049409;
/** A copy lets others run after each of these. */
const CHUNK = 4 << 20;
/** The filesystem cannot, or they are two. */
const CANNOT: ReadonlySet<string> = new Set([
  "EOPNOTSUPP",
  "EXDEV",
  "EINVAL",
  "ENOTTY",
]);

/**
 * Makes a file share all blocks of another, as ioctl_ficlone(2) does.
 *
 * @param source The file whose blocks are shared.
 * @param target The file that gets them, open for writing; what it had is gone.
 * @throws {SyscallError} If the kernel refuses: `EOPNOTSUPP` if the filesystem has no reflinks, `EXDEV` if they are two.
 *
 * @example Usage
 * ```ts ignore
 * import { openAt, OpenFlag } from "@containerkit/libc";
 * import { reflink } from "@containerkit/mount/reflink";
 *
 * using source = openAt(undefined, "/srv/images/base.img");
 * using target = openAt(undefined, "/srv/images/one.img", OpenFlag.RDWR | OpenFlag.CREAT);
 * reflink(source, target);
 * ```
 */
export function reflink(source: Fd, target: Fd): void {
  ioctl(target, FICLONE, {
    argument: source.number,
    name: "FICLONE",
    action: "share the blocks of the file",
  });
}

/** Options of {@linkcode cloneFile}. */
export interface CloneFileOptions {
  /**
   * Whether blocks are shared: if possible, always, or never.
   *
   * @default {"auto"}
   */
  reflink?: "auto" | "always" | "never";
  /**
   * Permission bits of the new file, before the umask; by default those of the source.
   */
  mode?: number;
  /** Stops a copy; the new file is removed then. */
  signal?: AbortSignal | undefined;
  /** Told how much of a copy is done. */
  onProgress?: (progress: { bytes: number; size: number }) => void;
}

/**
 * Makes a new file with the content of another: by sharing its blocks where the filesystem can, else by copying what is not a hole.
 *
 * @param source The file.
 * @param target The new file; must not exist.
 * @param options How.
 * @returns Which of the two it was. Nothing is synced.
 * @throws {SyscallError} If the kernel refuses. No new file is left then.
 *
 * @see https://man7.org/linux/man-pages/man2/ioctl_ficlone.2.html
 *
 * @example Usage
 * ```ts
 * import { cloneFile } from "@containerkit/mount/reflink";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${path}/a`, "hello");
 * await cloneFile(`${path}/a`, `${path}/b`);
 * assertEquals(await Deno.readTextFile(`${path}/b`), "hello");
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function cloneFile(
  source: string,
  target: string,
  options: CloneFileOptions = {},
): Promise<"reflink" | "copy"> {
  options.signal?.throwIfAborted();
  using from = openAt(undefined, source);
  const { mode, size } = statAt(from, "");
  using to = openAt(undefined, target, {
    flags: OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL,
    mode: options.mode ?? mode & 0o7777,
  });
  try {
    if (options.reflink !== "never" && share(from, to, options)) {
      return "reflink";
    }
    truncate(to, size);
    await copyData(from, to, { ...options, size });
    return "copy";
  } catch (error) {
    unlinkAt(undefined, target);
    throw error;
  }
}

function share(from: Fd, to: Fd, options: CloneFileOptions): boolean {
  try {
    reflink(from, to);
    return true;
  } catch (error) {
    const cannot = error instanceof SyscallError && CANNOT.has(error.code);
    if (!cannot || options.reflink === "always") throw error;
    return false;
  }
}

async function copyData(
  from: Fd,
  to: Fd,
  { size, signal, onProgress }: CloneFileOptions & { size: number },
): Promise<void> {
  let at = 0;
  while (at < size) {
    const start = seek(from, at, Whence.DATA);
    if (start === undefined) break; // the rest is a hole
    const end = seek(from, start, Whence.HOLE) ?? size;
    at = start;
    while (at < end) {
      const count = copyFileRange(from, to, {
        length: Math.min(CHUNK, end - at),
        from: at,
        to: at,
      });
      if (count === 0) return; // it became shorter
      at += count;
      onProgress?.({ bytes: at, size });
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
    }
  }
}

/**
 * Tells whether files of a directory can share blocks, by trying with two files without a name.
 *
 * @param directory The directory; must be writable.
 * @returns `undefined` if they can, else why not.
 *
 * @example Usage
 * ```ts
 * import { whyNoReflink } from "@containerkit/mount/reflink";
 * import { assert } from "@std/assert";
 *
 * assert(whyNoReflink("/dev/shm") !== undefined);
 * ```
 */
export function whyNoReflink(directory: string): string | undefined {
  try {
    const flags = OpenFlag.TMPFILE | OpenFlag.RDWR;
    using a = openAt(undefined, directory, flags);
    using b = openAt(undefined, directory, flags);
    reflink(a, b);
    return undefined;
  } catch (error) {
    const cannot = error instanceof SyscallError && CANNOT.has(error.code);
    return cannot
      ? `the filesystem of "${directory}" cannot share blocks`
      : String(error);
  }
}
