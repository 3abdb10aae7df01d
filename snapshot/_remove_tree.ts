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
  refused,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { Levels } from "./_levels.ts";

/** What a listing says of a directory, on filesystems that say it. */
const DT_DIR = 4;

const name_ = new CName();

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

/** Goes into a directory. */
function enter(
  levels: Levels,
  dirfd: number,
  name: string,
  path: string,
): void {
  const far = levels.enter(dirfd, name, path);
  // It is listed again then.
  if (far !== undefined) far.entries = [];
}

/** Removes the last directory, if nothing came into it meanwhile. */
function leave(levels: Levels, dirfd: number): void {
  const libc = layerSymbols();
  const level = levels.last!;
  const parent = levels.above()?.fd ?? dirfd;
  if (libc.unlinkat(parent, name_.set(level.name), AT_REMOVEDIR) !== 0) {
    const code = errno();
    if (code !== ENOTEMPTY) {
      throw refused("remove", "unlinkat", code, level.path);
    }
    // Names that the listing passed over, for others went meanwhile.
    libc.lseek64(level.fd, 0n, 0);
    return;
  }
  levels.leave();
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
  using levels = new Levels("remove");
  enter(levels, dirfd, name, path);
  for (let at = levels.last; at !== undefined; at = levels.last) {
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
}
