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
import { openRoot } from "./_parent_layers.ts";
import { closing, compareNames, openDir, statAt } from "./_walk_dir.ts";
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

function namesOf(fd: number, path: string): string[] {
  return listDir(fd, path).map(({ name }) => name).sort(compareNames);
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

async function compare(pair: Pair, with_: Comparison): Promise<void> {
  const { problems } = with_;
  const { dirs: [a, b], name, path } = pair;
  if (problems.length >= MOST_PROBLEMS) return;
  const note = (problem: string) =>
    void problems.push(`"${path || "/"}": ${problem}`);
  const [x, y] = [statAt(a, name, path), statAt(b, name, path)];
  const different = unlike(x, y);
  if (different !== undefined) return note(different);
  if (xattrsOf(a, pair) !== xattrsOf(b, pair)) {
    note("its attributes are others");
  }
  switch (x.mode & S_IFMT) {
    case S_IFREG:
      if (!await sameBytes(pair, with_)) note("it holds something else");
      return;
    case S_IFLNK:
      if (readLinkAt(a, name) !== readLinkAt(b, name)) {
        note("it is a link to somewhere else");
      }
      return;
    case S_IFDIR:
      return await compareDirs(pair, with_);
  }
}

async function compareDirs(
  { dirs: [a, b], name, path }: Pair,
  with_: Comparison,
): Promise<void> {
  const isRoot = name === "";
  const [one, other] = [a, b].map((fd) =>
    openDir(fd, isRoot ? "." : name, path)
  ) as [number, number];
  using _one = closing(one);
  using _other = closing(other);
  const [expected, found] = [namesOf(one, path), new Set(namesOf(other, path))];
  const note = (child: string, problem: string) =>
    void with_.problems.push(`"${path || "/"}": "${child}" is ${problem}`);
  for (const child of expected) {
    if (!found.delete(child)) note(child, "missing");
    else {
      const pair = { name: child, path: `${path}/${child}` };
      await compare({ dirs: [one, other], ...pair }, with_);
    }
  }
  for (const child of found) note(child, "too much");
}

/**
 * Compares two trees in everything: names, kinds, permissions, owners, times,
 * attributes and content.
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
  const dirs = [openRoot(expected), openRoot(found)] as const;
  using _expected = closing(dirs[0]);
  using _found = closing(dirs[1]);
  await compare({ dirs, name: "", path: "" }, { problems, signal, buffers });
  return problems;
}
