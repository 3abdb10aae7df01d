import {
  chmodAt,
  chownAt,
  FileType,
  getXattr,
  linkAt,
  listXattrs,
  mknodAt,
  setXattr,
  type Stat,
  statAt,
  symlinkAt,
  utimesAt,
} from "@containerkit/libc";
import { cloneFile } from "@containerkit/mount/reflink";

/** Up to here a copy holds nobody up. */
const SMALL = 1 << 20;

/** Where the names of files with several of them are, by inode. */
type Links = Map<bigint, string>;

async function makeFile(
  from: string,
  to: string,
  options: { stat: Stat; signal: AbortSignal | undefined },
): Promise<void> {
  const { stat, signal } = options;
  switch (stat.mode & FileType.MASK) {
    case FileType.REGULAR:
      // Both share blocks where the filesystem can; for small files the way over another thread takes longer.
      if (stat.size <= SMALL) Deno.copyFileSync(from, to);
      else await cloneFile(from, to, { mode: 0o600, signal });
      return;
    case FileType.SYMLINK:
      symlinkAt(Deno.readLinkSync(from), { path: to });
      return;
    case FileType.DIRECTORY:
      Deno.mkdirSync(to, { mode: 0o700 });
      return;
    default:
      mknodAt(undefined, to, {
        mode: stat.mode,
        major: stat.deviceMajor,
        minor: stat.deviceMinor,
      });
  }
}

/** Owner first: a change of it takes set-user-ID bits and capabilities away. */
function dress(from: string, to: string, stat: Stat): void {
  chownAt(undefined, to, { uid: stat.uid, gid: stat.gid });
  const isLink = (stat.mode & FileType.MASK) === FileType.SYMLINK;
  if (!isLink) chmodAt(undefined, to, stat.mode & 0o7777);
  for (const name of listXattrs(from)) {
    const value = getXattr(from, name);
    if (value !== undefined) setXattr(to, name, value);
  }
}

async function copy(
  from: string,
  to: string,
  options: { links: Links; signal: AbortSignal | undefined },
): Promise<void> {
  const { links, signal } = options;
  const stat = statAt(undefined, from);
  const isDirectory = (stat.mode & FileType.MASK) === FileType.DIRECTORY;
  if (!isDirectory && stat.links > 1) {
    const other = links.get(stat.inode);
    if (other !== undefined) return linkAt({ path: other }, { path: to });
    links.set(stat.inode, to);
  }
  await makeFile(from, to, { stat, signal });
  dress(from, to, stat);
  if (isDirectory) {
    for (const { name } of Deno.readDirSync(from)) {
      await copy(`${from}/${name}`, `${to}/${name}`, options);
    }
  }
  utimesAt(undefined, to, { atime: stat.atime, mtime: stat.mtime });
}

/**
 * Copies a tree with all that belongs to it: owners, permissions, times,
 * attributes, links between its files. Blocks are shared where the filesystem can.
 */
export async function copyTree(
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await copy(from, to, { links: new Map(), signal });
}
