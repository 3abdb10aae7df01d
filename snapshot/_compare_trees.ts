import {
  listDir,
  O_NOFOLLOW,
  openChild,
  procPath,
  readLinkAt,
  refused,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Stat,
} from "./_files.ts";
import { type Level, Levels } from "./_levels.ts";
import { openRoot } from "./_parent_layers.ts";
import { closing, compareNames, statAt } from "./_walk_dir.ts";
import { getXattr, listXattrs } from "./_xattrs.ts";

const BUFFER = 1 << 20;
const MOST_PROBLEMS = 100;

interface Comparison {
  readonly problems: string[];
  readonly signal: AbortSignal | undefined;
  readonly buffers: readonly [Uint8Array, Uint8Array];
}

/** The same name in both trees, in open directories. */
interface Pair {
  readonly dirs: readonly [number, number];
  readonly name: string;
  /** Its path in the tree. */
  readonly path: string;
}

async function openFile(
  fd: number,
  { name, path }: Pair,
): Promise<Deno.FsFile> {
  const file = openChild(fd, name, O_NOFOLLOW);
  if (file < 0) throw refused("open", "openat2", -file, path);
  using _file = closing(file);
  return await Deno.open(`/proc/self/fd/${file}`);
}

function readFull(file: Deno.FsFile, buffer: Uint8Array): number {
  let length = 0;
  while (length < buffer.length) {
    const read = file.readSync(buffer.subarray(length));
    if (read === null) break;
    length += read;
  }
  return length;
}

async function sameBytes(pair: Pair, with_: Comparison): Promise<boolean> {
  using first = await openFile(pair.dirs[0], pair);
  using second = await openFile(pair.dirs[1], pair);
  const [x, y] = with_.buffers;
  for (;;) {
    with_.signal?.throwIfAborted();
    const length = readFull(first, x);
    if (readFull(second, y) !== length) return false;
    for (let at = 0; at < length; at++) if (x[at] !== y[at]) return false;
    if (length < x.length) return true;
    // Others get their turn: files may be large.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

function xattrsOf(fd: number, { name, path }: Pair): string {
  const at = procPath(fd, name);
  return listXattrs(at, path).filter((key) => key !== "security.selinux")
    .sort().map((key) => `${key}=${getXattr(at, key, path)}`).join(" ");
}

/** What is not alike of two files, but for what they hold. */
function unlike(a: Stat, b: Stat): string | undefined {
  if (a.mode !== b.mode) {
    return `its mode is ${b.mode.toString(8)} instead of ${a.mode.toString(8)}`;
  }
  if (a.uid !== b.uid || a.gid !== b.gid) {
    return `it belongs to ${b.uid}:${b.gid} instead of ${a.uid}:${a.gid}`;
  }
  if (a.major !== b.major || a.minor !== b.minor) {
    return "it is another device";
  }
  const kind = a.mode & S_IFMT;
  // A folder that no layer describes, and a mark that hides, are as old as they are on disk.
  if (kind === S_IFDIR || kind === S_IFCHR) return;
  if (a.size !== b.size) return `it has ${b.size} bytes instead of ${a.size}`;
  if (a.mtime !== b.mtime || a.mtimeNs !== b.mtimeNs) {
    return "it was changed at another time";
  }
}

/** Compares what is at a name, but for what is in a directory; says whether both are one. */
async function compare(pair: Pair, with_: Comparison): Promise<boolean> {
  const { problems } = with_;
  const { dirs: [a, b], name, path } = pair;
  const note = (problem: string) =>
    void problems.push(`"${path || "/"}": ${problem}`);
  const [x, y] = [statAt(a, name, path), statAt(b, name, path)];
  const different = unlike(x, y);
  if (different !== undefined) {
    note(different);
    return false;
  }
  if (xattrsOf(a, pair) !== xattrsOf(b, pair)) {
    note("its attributes are others");
  }
  const kind = x.mode & S_IFMT;
  if (kind === S_IFREG && !await sameBytes(pair, with_)) {
    note("it holds something else");
  } else if (kind === S_IFLNK && readLinkAt(a, name) !== readLinkAt(b, name)) {
    note("it is a link to somewhere else");
  }
  return kind === S_IFDIR;
}

/** Names that only the second tree has so far, of each directory on the way. */
type Extra = Set<string>[];

/** Reads the names in directories that were gone into. */
function list(first: Level, second: Level, extra: Extra): void {
  const names = listDir(second.fd, second.path).map(({ name }) => name);
  extra.push(new Set(names));
  // The next is the last of the list.
  first.entries = listDir(first.fd, first.path)
    .sort((a, b) => compareNames(b.name, a.name));
}

/** Compares what is in two directories, which have been gone into. */
async function compareAll(
  first: Levels,
  second: Levels,
  with_: Comparison,
): Promise<void> {
  const { problems } = with_;
  const extra: Extra = [];
  list(first.last!, second.last!, extra);
  while (problems.length < MOST_PROBLEMS) {
    const [one, other] = [first.last, second.last];
    if (one === undefined || other === undefined) return;
    const note = (child: string, problem: string) =>
      void problems.push(`"${one.path || "/"}": "${child}" is ${problem}`);
    const entry = one.entries.pop();
    if (entry === undefined) {
      for (const child of extra.pop()!) note(child, "too much");
      first.leave();
      second.leave();
      continue;
    }
    const { name } = entry;
    if (!extra.at(-1)!.delete(name)) {
      note(name, "missing");
      continue;
    }
    const path = `${one.path}/${name}`;
    if (!await compare({ dirs: [one.fd, other.fd], name, path }, with_)) {
      continue;
    }
    first.enter(one.fd, name, path);
    second.enter(other.fd, name, path);
    list(first.last!, second.last!, extra);
  }
}

/**
 * Compares two trees in everything: names, kinds, permissions, owners, times,
 * attributes and content. However deep they are, it takes neither more stack nor more descriptors.
 *
 * @returns What is wrong with the second, one line each, at most 100.
 */
export async function compareTrees(
  expected: string,
  found: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const problems: string[] = [];
  const buffers = [new Uint8Array(BUFFER), new Uint8Array(BUFFER)] as const;
  const with_ = { problems, signal, buffers };
  using first = new Levels("open");
  using second = new Levels("open");
  const one = first.add(openRoot(expected), "", "");
  const other = second.add(openRoot(found), "", "");
  const pair = { dirs: [one.fd, other.fd] as const, name: "", path: "" };
  if (await compare(pair, with_)) await compareAll(first, second, with_);
  return problems.slice(0, MOST_PROBLEMS);
}
