/** Compares two directories name by name. */
import { errno } from "@containerkit/libc";
import type { DiffWriter, Place } from "./_diff_writer.ts";
import {
  EINTR,
  listDir,
  procPath,
  readLinkAt,
  refused,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { type Level, Levels } from "./_levels.ts";
import { openContent } from "./_open_content.ts";
import type { Step } from "./_run_steps.ts";
import { closing, compareNames, joined, statAt } from "./_walk_dir.ts";
import { getXattr, listXattrs } from "./_xattrs.ts";

/** After so many names others may work. */
const BREATH = 500;

export interface Comparison {
  readonly writer: DiffWriter;
  readonly isXattrKept: (key: string) => boolean;
}

/**
 * Walks two open directories. However deep they are, it takes neither more stack nor more descriptors.
 *
 * @param lower What was, or `undefined` if nothing was.
 * @param upper What is.
 */
export function* walkBoth(
  comparison: Comparison,
  lower: number | undefined,
  upper: number,
): Generator<Step> {
  using lowers = new Levels("open");
  using uppers = new Levels("open");
  if (lower !== undefined) enter(lowers, lower, ".", "");
  enter(uppers, upper, ".", "");
  let names = 0;
  for (let now = uppers.last; now !== undefined; now = uppers.last) {
    // Where there was no such directory, the walk goes on in the upper alone.
    const was = lowers.depth === uppers.depth ? lowers.last : undefined;
    const [old, name] = nextNames(was, now);
    if (old === undefined && name === undefined) {
      uppers.leave();
      if (was !== undefined) lowers.leave();
      continue;
    }
    if (++names % BREATH === 0) yield undefined;
    if (name === undefined) {
      yield* comparison.writer.removed(joined(now.path, old!));
      continue;
    }
    const path = joined(now.path, name);
    const after = placeOf(now, name, path);
    const before = old === undefined ? undefined : placeOf(was!, name, path);
    yield* compare(comparison, before, after);
    if (!isDirectory(after)) continue;
    enter(uppers, now.fd, name, path);
    if (before !== undefined && isDirectory(before)) {
      enter(lowers, was!.fd, name, path);
    }
  }
}

/** Goes into a directory and reads its names, the first of them last. */
function enter(
  levels: Levels,
  dirfd: number,
  name: string,
  path: string,
): void {
  levels.enter(dirfd, name, path);
  const level = levels.last!;
  level.entries = listDir(level.fd, path)
    .sort((a, b) => compareNames(b.name, a.name));
}

/** Takes the next name, of one directory or of both if both have it. */
function nextNames(
  was: Level | undefined,
  now: Level,
): [old: string | undefined, name: string | undefined] {
  const [old, name] = [was?.entries.at(-1)?.name, now.entries.at(-1)?.name];
  const order = old === undefined
    ? 1
    : name === undefined
    ? -1
    : compareNames(old, name);
  if (order <= 0) was?.entries.pop();
  if (order >= 0) now.entries.pop();
  return [order > 0 ? undefined : old, order < 0 ? undefined : name];
}

function placeOf({ fd }: Level, name: string, path: string): Place {
  return { dirfd: fd, name, path, stat: statAt(fd, name, path) };
}

function isDirectory({ stat }: Place): boolean {
  return (stat.mode & S_IFMT) === S_IFDIR;
}

/** Writes a name that has changed; what is in a directory is not looked at. */
function* compare(
  comparison: Comparison,
  before: Place | undefined,
  place: Place,
): Generator<Step> {
  const { writer } = comparison;
  const same = before !== undefined &&
    (yield* isSame(comparison, before, place));
  if (!same) yield* writer.changed(place);
  else if (!isDirectory(place)) yield* writer.unchanged(place);
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
