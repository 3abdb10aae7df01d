/** Removing what may be large, step by step. */
import { errno } from "@containerkit/libc";
import {
  AT_REMOVEDIR,
  CName,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  listSome,
  lstatAt,
  O_CLOEXEC,
  O_DIRECTORY,
  openChild,
  refused,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";

/** How many directories are held open at once: a tree may be deeper than any limit of descriptors. */
const MAX_OPEN = 64;

/** What a listing says of a directory, on filesystems that say it. */
const DT_DIR = 4;

const name_ = new CName();

/** A directory on the way down. */
interface Level {
  readonly name: string;
  readonly path: string;
  /** Negative while it is closed. */
  fd: number;
  /** Which one it is, from when it was closed. */
  identity?: { readonly ino: bigint; readonly dev: number };
  /** What was listed, and is still there. */
  entries: { readonly name: string; readonly type: number }[];
}

/**
 * Removes a name in a directory, never through a link.
 *
 * @returns Whether nothing is there any more; a directory stays.
 */
export function removeFile(dirfd: number, name: string, path: string): boolean {
  if (layerSymbols().unlinkat(dirfd, name_.set(name), 0) === 0) return true;
  const code = errno();
  if (code === ENOENT) return true;
  if (code === EISDIR) return false;
  throw refused("remove", "unlinkat", code, path);
}

/** Removes a directory that is empty. */
function removeEmpty(dirfd: number, name: string, path: string): boolean {
  const libc = layerSymbols();
  if (libc.unlinkat(dirfd, name_.set(name), AT_REMOVEDIR) === 0) return true;
  const code = errno();
  if (code === ENOTEMPTY) return false;
  // Another was faster, or put something else there.
  if (code === ENOENT || code === ENOTDIR) return removeFile(dirfd, name, path);
  throw refused("remove", "unlinkat", code, path);
}

function identify(fd: number, path: string): { ino: bigint; dev: number } {
  const stat = lstatAt(fd, "");
  if (typeof stat === "number") {
    throw refused("look at", "statx", -stat, path);
  }
  return stat;
}

function enter(levels: Level[], dirfd: number, name: string, path: string) {
  const fd = openChild(dirfd, name, O_DIRECTORY);
  if (fd < 0) throw refused("remove", "openat2", -fd, path);
  levels.push({ name, path, fd, entries: [] });
  const far = levels.at(-1 - MAX_OPEN);
  if (far === undefined || far.fd < 0) return;
  far.identity = identify(far.fd, far.path);
  layerSymbols().close(far.fd);
  far.fd = -1;
  // It is listed again then.
  far.entries = [];
}

/** Opens a directory again from one in it, if it is the same that it was. */
function reopen(level: Level, inside: Level): number {
  if (level.fd >= 0) return level.fd;
  const flags = O_DIRECTORY | O_CLOEXEC;
  const fd = layerSymbols().openat(inside.fd, name_.set(".."), flags, 0);
  if (fd < 0) throw refused("remove", "openat", errno(), level.path);
  level.fd = fd;
  const { ino, dev } = identify(fd, level.path);
  if (ino !== level.identity?.ino || dev !== level.identity.dev) {
    throw refused("remove", "openat", ENOENT, level.path);
  }
  return fd;
}

/** Removes the last directory, if nothing came into it meanwhile. */
function leave(levels: Level[], dirfd: number): void {
  const libc = layerSymbols();
  const level = levels.at(-1)!;
  const above = levels.at(-2);
  const parent = above === undefined ? dirfd : reopen(above, level);
  if (libc.unlinkat(parent, name_.set(level.name), AT_REMOVEDIR) !== 0) {
    const code = errno();
    if (code !== ENOTEMPTY) {
      throw refused("remove", "unlinkat", code, level.path);
    }
    // Names that the listing passed over, for others went meanwhile.
    libc.lseek64(level.fd, 0n, 0);
    return;
  }
  libc.close(level.fd);
  levels.pop();
}

/**
 * Removes a name in a directory with all that is below it, never through a link; a step is one name.
 * However deep it is, it takes neither more stack nor more descriptors.
 */
export function* removeTree(
  dirfd: number,
  name: string,
  path: string,
): Generator<void> {
  yield;
  if (removeFile(dirfd, name, path)) return;
  const levels: Level[] = [];
  try {
    enter(levels, dirfd, name, path);
    for (let at = levels.at(-1); at !== undefined; at = levels.at(-1)) {
      const child = at.entries.pop();
      if (child === undefined) {
        at.entries = listSome(at.fd, at.path);
        if (at.entries.length === 0) leave(levels, dirfd);
        continue;
      }
      yield;
      const { name, type } = child;
      const childPath = `${at.path}/${name}`;
      const remove = type === DT_DIR ? removeEmpty : removeFile;
      if (!remove(at.fd, name, childPath)) {
        enter(levels, at.fd, name, childPath);
      }
    }
  } finally {
    for (const { fd } of levels) if (fd >= 0) layerSymbols().close(fd);
  }
}
