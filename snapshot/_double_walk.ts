/** Compares two directories name by name. */
import { errno } from "@containerkit/libc";
import type { DiffWriter, Place, Step } from "./_diff_writer.ts";
import {
  EINTR,
  procPath,
  readLinkAt,
  refused,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { openContent } from "./_open_content.ts";
import {
  closing,
  compareNames,
  openDir,
  sortedNames,
  statAt,
} from "./_walk_dir.ts";
import { getXattr, listXattrs } from "./_xattrs.ts";

/** After so many names others may work. */
const BREATH = 500;

export interface Comparison {
  readonly writer: DiffWriter;
  readonly isXattrKept: (key: string) => boolean;
  names: number;
}

/**
 * Walks two open directories.
 *
 * @param lower What was, or `undefined` if nothing was.
 * @param upper What is.
 * @param path Where both are in the layer, with a slash at the end unless it is the root.
 */
export function* walkBoth(
  comparison: Comparison,
  lower: number | undefined,
  upper: number,
  path: string,
): Generator<Step> {
  const before = lower === undefined ? [] : sortedNames(lower, path);
  const after = sortedNames(upper, path);
  let old = 0;
  let now = 0;
  while (old < before.length || now < after.length) {
    if (++comparison.names % BREATH === 0) yield undefined;
    const order = old === before.length
      ? 1
      : now === after.length
      ? -1
      : compareNames(before[old]!, after[now]!);
    if (order < 0) {
      yield* comparison.writer.removed(`${path}${before[old]}`);
      old++;
      continue;
    }
    const name = after[now]!;
    now++;
    const place = {
      dirfd: upper,
      name,
      path: `${path}${name}`,
      stat: statAt(upper, name, `${path}${name}`),
    };
    if (order > 0) {
      yield* walkOne(comparison, undefined, place);
      continue;
    }
    old++;
    yield* walkOne(comparison, lower, place);
  }
}

/** One name, that may also be in the lower directory. */
function* walkOne(
  comparison: Comparison,
  lower: number | undefined,
  place: Place,
): Generator<Step> {
  const { writer } = comparison;
  const { dirfd, name, path, stat } = place;
  const before = lower === undefined
    ? undefined
    : { dirfd: lower, name, path, stat: statAt(lower, name, path) };
  const same = before !== undefined &&
    (yield* isSame(comparison, before, place));
  const isDirectory = (stat.mode & S_IFMT) === S_IFDIR;
  if (!same) yield* writer.changed(place);
  else if (!isDirectory) yield* writer.unchanged(place);
  if (!isDirectory) return;
  const upperFd = openDir(dirfd, name, path);
  using _upper = closing(upperFd);
  const wasDirectory = before !== undefined &&
    (before.stat.mode & S_IFMT) === S_IFDIR;
  const lowerFd = wasDirectory ? openDir(before.dirfd, name, path) : undefined;
  using _lower = lowerFd === undefined ? undefined : closing(lowerFd);
  writer.enter(place, !same);
  yield* walkBoth(comparison, lowerFd, upperFd, `${path}/`);
  writer.leave();
}

/** Whether nothing of it has changed, as far as can be told without reading all of it. */
function* isSame(
  comparison: Comparison,
  a: Place,
  b: Place,
): Generator<Step, boolean> {
  const [one, other] = [a.stat, b.stat];
  if (one.ino === other.ino && one.dev === other.dev) return true;
  if (
    one.mode !== other.mode || one.uid !== other.uid ||
    one.gid !== other.gid || one.major !== other.major ||
    one.minor !== other.minor
  ) return false;
  if (!sameXattrs(a, b, comparison.isXattrKept)) return false;
  if ((one.mode & S_IFMT) === S_IFDIR) return true;
  if (one.size !== other.size || one.mtime !== other.mtime) return false;
  if (one.mtimeNs !== 0 || other.mtimeNs !== 0) {
    return one.mtimeNs === other.mtimeNs;
  }
  // Both times may have been cut to seconds by an archive: only the content can tell.
  if ((one.mode & S_IFMT) === S_IFLNK) {
    return readLinkAt(a.dirfd, a.name) === readLinkAt(b.dirfd, b.name);
  }
  if ((one.mode & S_IFMT) !== S_IFREG || one.size === 0) return true;
  return yield* sameContent(a, b);
}

function sameXattrs(
  a: Place,
  b: Place,
  isKept: (key: string) => boolean,
): boolean {
  const [one, other] = [procPath(a.dirfd, a.name), procPath(b.dirfd, b.name)];
  const before = listXattrs(one, a.path).filter(isKept).sort();
  const after = listXattrs(other, b.path).filter(isKept).sort();
  return before.length === after.length &&
    before.every((key, index) =>
      key === after[index] &&
      equal(getXattr(one, key, a.path), getXattr(other, key, b.path))
    );
}

function equal(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return false;
  }
  return true;
}

const CHUNK = 1 << 16;
const one = new Uint8Array(CHUNK);
const other = new Uint8Array(CHUNK);

function* sameContent(a: Place, b: Place): Generator<Step, boolean> {
  const first = openContent(a);
  using _first = closing(first);
  const second = openContent(b);
  using _second = closing(second);
  for (let chunk = 1;; chunk++) {
    const length = fill(first, one, a.path);
    if (length !== fill(second, other, b.path)) return false;
    if (!equal(one.subarray(0, length), other.subarray(0, length))) {
      return false;
    }
    if (length < CHUNK) return true;
    if (chunk % 64 === 0) yield undefined;
  }
}

/** Reads until the buffer is full or the file ends. */
function fill(
  fd: number,
  buffer: Uint8Array<ArrayBuffer>,
  path: string,
): number {
  const libc = layerSymbols();
  let filled = 0;
  while (filled < buffer.length) {
    const length = Number(
      libc.read(fd, buffer.subarray(filled), BigInt(buffer.length - filled)),
    );
    if (length < 0) {
      const code = errno();
      if (code === EINTR) continue;
      throw refused("read", "read", code, path);
    }
    if (length === 0) break;
    filled += length;
  }
  return filled;
}
