import {
  FileType,
  getXattr,
  listXattrs,
  type Stat,
  statAt,
} from "@containerkit/libc";

const BUFFER = 1 << 20;
const MOST_PROBLEMS = 100;

interface Comparison {
  readonly problems: string[];
  readonly signal: AbortSignal | undefined;
  readonly buffers: readonly [Uint8Array, Uint8Array];
}

function namesOf(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
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

async function sameBytes(
  a: string,
  b: string,
  with_: Comparison,
): Promise<boolean> {
  using first = await Deno.open(a);
  using second = await Deno.open(b);
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

function xattrsOf(path: string): string {
  return listXattrs(path).filter((name) => !name.startsWith("security.selinux"))
    .sort().map((name) => `${name}=${getXattr(path, name)}`).join(" ");
}

/** What is not alike of two files, but for what they hold. */
function unlike(a: Stat, b: Stat): string | undefined {
  if (a.mode !== b.mode) {
    return `its mode is ${b.mode.toString(8)} instead of ${a.mode.toString(8)}`;
  }
  if (a.uid !== b.uid || a.gid !== b.gid) {
    return `it belongs to ${b.uid}:${b.gid} instead of ${a.uid}:${a.gid}`;
  }
  if (a.deviceMajor !== b.deviceMajor || a.deviceMinor !== b.deviceMinor) {
    return "it is another device";
  }
  const kind = a.mode & FileType.MASK;
  // A folder that no layer describes, and a mark that hides, are as old as they are on disk.
  if (kind === FileType.DIRECTORY || kind === FileType.CHAR) return;
  if (a.size !== b.size) return `it has ${b.size} bytes instead of ${a.size}`;
  if (a.mtime !== b.mtime) return "it was changed at another time";
}

async function compare(
  a: string,
  b: string,
  path: string,
  with_: Comparison,
): Promise<void> {
  const { problems } = with_;
  if (problems.length >= MOST_PROBLEMS) return;
  const note = (problem: string) =>
    void problems.push(`"${path || "/"}": ${problem}`);
  const [x, y] = [statAt(undefined, a + path), statAt(undefined, b + path)];
  const different = unlike(x, y);
  if (different !== undefined) return note(different);
  if (xattrsOf(a + path) !== xattrsOf(b + path)) {
    note("its attributes are others");
  }
  switch (x.mode & FileType.MASK) {
    case FileType.REGULAR:
      if (!await sameBytes(a + path, b + path, with_)) {
        note("it holds something else");
      }
      return;
    case FileType.SYMLINK:
      if (Deno.readLinkSync(a + path) !== Deno.readLinkSync(b + path)) {
        note("it is a link to somewhere else");
      }
      return;
    case FileType.DIRECTORY:
      break;
    default:
      return;
  }
  const [expected, found] = [namesOf(a + path), new Set(namesOf(b + path))];
  for (const name of expected) {
    if (!found.delete(name)) note(`"${name}" is missing`);
    else await compare(a, b, `${path}/${name}`, with_);
  }
  for (const name of found) note(`"${name}" is too much`);
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
  // The path of an open mount is a link to it, which is not what is compared.
  await compare(`${expected}/.`, `${found}/.`, "", {
    problems,
    signal,
    buffers,
  });
  return problems;
}
