import { errno } from "@containerkit/libc";
import { cloneFile } from "@containerkit/mount/reflink";
import {
  AT_SYMLINK_NOFOLLOW,
  CName,
  listDir,
  O_CLOEXEC,
  O_NOFOLLOW,
  openChild,
  procPath,
  readLinkAt,
  refused,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Stat,
  timespecs,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { Levels } from "./_levels.ts";
import { makeDevice } from "./_make_device.ts";
import { Pace } from "./_pace.ts";
import { openRoot } from "./_parent_layers.ts";
import { closing, openPath, statAt } from "./_walk_dir.ts";
import { getXattr, listXattrs, removeXattr, setXattr } from "./_xattrs.ts";

const CREATE = 1 | 0o100 | 0o200 | O_NOFOLLOW | O_CLOEXEC;
/** Up to here a copy holds nobody up. */
const SMALL = 1 << 20;
/** What a directory may have from the one it was made in. */
const ACLS = ["system.posix_acl_default", "system.posix_acl_access"];
/** The unit of `st_blocks`. */
const BLOCK = 512;
const first = new CName();
const second = new CName();

/** A file that is copied: the open directories it lies and will lie in. */
interface Copied {
  readonly from: number;
  readonly to: number;
  readonly name: string;
  /** Where it will lie, in full. */
  readonly path: string;
  readonly stat: Stat;
}

interface Work {
  /** Where the copy is, open, and its path. */
  readonly root: { readonly fd: number; readonly path: string };
  /** Where the names of files with several of them are, by inode. */
  readonly links: Map<bigint, string>;
  readonly signal: AbortSignal | undefined;
}

function tried(
  result: number,
  what: { action: string; call: string; path: string },
): void {
  if (result !== 0) {
    throw refused(what.action, what.call, errno(), what.path);
  }
}

/** Both share blocks where the filesystem can. */
async function copyFile(file: Copied, { signal }: Work): Promise<void> {
  const { from, to, name, path, stat } = file;
  const hasHoles = stat.blocks * BLOCK < stat.size;
  if ((stat.size > SMALL || hasHoles) && name.isWellFormed()) {
    await cloneFile(procPath(from, name), procPath(to, name), {
      mode: 0o600,
      signal,
    });
    return;
  }
  const source = openChild(from, name, O_NOFOLLOW);
  if (source < 0) throw refused("open", "openat2", -source, path);
  using _source = closing(source);
  const target = layerSymbols().openat(to, first.set(name), CREATE, 0o600);
  if (target < 0) throw refused("create", "openat", errno(), path);
  using _target = closing(target);
  const [one, other] = [source, target].map((fd) => `/proc/self/fd/${fd}`) as [
    string,
    string,
  ];
  // For small files the way over another thread takes longer.
  if (stat.size <= SMALL) Deno.copyFileSync(one, other);
  else await Deno.copyFile(one, other);
}

async function makeFile(file: Copied, work: Work): Promise<void> {
  const { from, to, name, path, stat } = file;
  const libc = layerSymbols();
  const what = { action: "create", path };
  switch (stat.mode & S_IFMT) {
    case S_IFREG:
      return await copyFile(file, work);
    case S_IFLNK: {
      const target = readLinkAt(from, name);
      if (typeof target === "number") {
        throw refused("read the link", "readlinkat", -target, path);
      }
      const result = libc.symlinkat(first.set(target), to, second.set(name));
      return tried(result, { ...what, call: "symlinkat" });
    }
    case S_IFDIR:
      return tried(libc.mkdirat(to, first.set(name), 0o700), {
        ...what,
        call: "mkdirat",
      });
    default: {
      const device = makeDevice(stat.major, stat.minor);
      const result = libc.mknodat(to, first.set(name), stat.mode, device);
      return tried(result, { ...what, call: "mknodat" });
    }
  }
}

/**
 * Owner first: a change of it takes set-user-ID bits and capabilities away.
 * A directory comes after what is in it, which would inherit its default ACL.
 */
function dress({ from, to, name, path, stat }: Copied): void {
  const libc = layerSymbols();
  const { uid, gid, mode } = stat;
  const self = first.set(name === "" ? "." : name);
  tried(libc.fchownat(to, self, uid, gid, AT_SYMLINK_NOFOLLOW), {
    action: "set the owner of",
    call: "fchownat",
    path,
  });
  const [source, target] = [procPath(from, name), procPath(to, name)];
  if ((mode & S_IFMT) !== S_IFLNK) {
    tried(libc.chmod(first.set(target), mode & 0o7777), {
      action: "set the mode of",
      call: "chmod",
      path,
    });
  }
  for (const key of listXattrs(source, path)) {
    const value = getXattr(source, key, path);
    if (value === undefined) continue;
    const code = setXattr(target, key, new Uint8Array(value));
    if (code !== 0) {
      throw refused(`set the attribute ${key} of`, "lsetxattr", code, path);
    }
  }
}

function setTimes({ to, name, path, stat }: Copied): void {
  const times = timespecs(stat.atime, stat.atimeNs, stat.mtime, stat.mtimeNs);
  const self = first.set(name === "" ? "." : name);
  const result = layerSymbols().utimensat(to, self, times, AT_SYMLINK_NOFOLLOW);
  tried(result, { action: "set the times of", call: "utimensat", path });
}

/** Makes a further name of a file that was copied, if it is one. */
function isLinked(
  { to, name, path, stat }: Copied,
  { root, links }: Work,
): boolean {
  if ((stat.mode & S_IFMT) === S_IFDIR || stat.nlink <= 1) return false;
  const other = links.get(stat.ino);
  if (other === undefined) {
    links.set(stat.ino, path);
    return false;
  }
  // The whole path may be longer than the kernel takes.
  const names = other.slice(root.path.length + 1).split("/");
  const last = names.pop()!;
  const dir = openPath(root.fd, names, path);
  using _dir = closing(dir);
  const [old, now] = [first.set(last), second.set(name)];
  const result = layerSymbols().linkat(dir, old, to, now, 0);
  tried(result, { action: "create", call: "linkat", path });
  return true;
}

function finish(file: Copied): void {
  dress(file);
  setTimes(file);
}

/** Copies what is in a directory; both are those that have been gone into. */
async function copyAll(from: Levels, to: Levels, work: Work): Promise<void> {
  const stats: Stat[] = [];
  const pace = new Pace();
  for (;;) {
    if (pace.isOver) await pace.rest(work.signal);
    const [source, target] = [from.last!, to.last!];
    const entry = source.entries.pop();
    if (entry === undefined) {
      const stat = stats.pop();
      if (stat === undefined) return;
      const { name, path } = target;
      from.leave();
      to.leave();
      const dirs = { from: from.last!.fd, to: to.last!.fd };
      finish({ ...dirs, name, path, stat });
      continue;
    }
    const { name } = entry;
    const path = `${target.path}/${name}`;
    const stat = statAt(source.fd, name, path);
    const file = { from: source.fd, to: target.fd, name, path, stat };
    if (isLinked(file, work)) continue;
    await makeFile(file, work);
    if ((stat.mode & S_IFMT) === S_IFDIR) {
      stats.push(stat);
      from.enter(source.fd, name, path);
      to.enter(target.fd, name, path);
      from.last!.entries = listDir(from.last!.fd, path);
    } else finish(file);
  }
}

/**
 * Copies a tree with all that belongs to it: owners, permissions, times,
 * attributes, links between its files. Blocks are shared where the filesystem can.
 * However deep it is, it takes neither more stack nor more descriptors.
 *
 * @param to What must not be there yet.
 */
export async function copyTree(
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  using sources = new Levels("open");
  using targets = new Levels("open");
  const source = sources.add(openRoot(from), "", from);
  Deno.mkdirSync(to, { mode: 0o700 });
  const root = { fd: openRoot(to), path: to };
  using _root = closing(root.fd);
  for (const key of ACLS) removeXattr(procPath(root.fd), key, to);
  targets.enter(root.fd, ".", to);
  const stat = statAt(source.fd, "", from);
  source.entries = listDir(source.fd, from);
  await copyAll(sources, targets, { root, links: new Map(), signal });
  finish({ from: source.fd, to: root.fd, name: "", path: to, stat });
}
