/** Owners, attributes, modes and times, in the order in which none undoes another. */
import { errno } from "@containerkit/libc";
import { type TarHeader, TypeFlag } from "@containerkit/tar";
import type { ApplyContext, Owner } from "./_apply_context.ts";
import { CAPABILITY, mapCapability } from "./_capability.ts";
import { DEFAULT_ACL, type Dir, type DirTimes } from "./_dir_tree.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  CName,
  EOPNOTSUPP,
  EPERM,
  O_NOFOLLOW,
  O_PATH,
  openChild,
  procPath,
  refused,
  timespecs,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { listXattrs, removeXattr, setXattr, setXattrOf } from "./_xattrs.ts";

/** The last second that a 64-bit count of nanoseconds holds. */
const MAX_TIME = 9223372036;

const name_ = new CName();
const path_ = new CName();

/** Times that the format or the kernel cannot mean become 1970; access is never before modification. */
export function timesOf(header: TarHeader): DirTimes {
  let { mtime, mtimeNs } = header;
  if (mtime < 0 || mtime > MAX_TIME) {
    mtime = 0;
    mtimeNs = 0;
  }
  const atime = Math.floor(Number(header.pax?.get("atime") ?? 0));
  return atime > mtime && atime <= MAX_TIME
    ? { atime, atimeNs: 0, mtime, mtimeNs }
    : { atime: mtime, atimeNs: mtimeNs, mtime, mtimeNs };
}

function timespecsOf(header: TarHeader): Uint32Array<ArrayBuffer> {
  const { atime, atimeNs, mtime, mtimeNs } = timesOf(header);
  return timespecs(atime, atimeNs, mtime, mtimeNs);
}

function setXattrs(
  context: ApplyContext,
  xattrs: ReadonlyMap<string, Uint8Array>,
  { path, isPlain, set }: {
    path: string;
    /** Whether every attribute may be on it. */
    isPlain: boolean;
    set: (key: string, value: Uint8Array<ArrayBuffer>) => number;
  },
): void {
  for (const [key, value] of xattrs) {
    if (key.startsWith("trusted.") || key.startsWith("user.overlay.")) {
      context.warn(path, `the attribute ${key} may not come from a layer`);
      continue;
    }
    const code = set(
      key,
      key === CAPABILITY
        ? mapCapability(value, context.rules.mapUid)
        : new Uint8Array(value),
    );
    if (code === 0) continue;
    if (code === EOPNOTSUPP) {
      context.warn(path, `the filesystem does not keep the attribute ${key}`);
    } else if (code === EPERM && !isPlain && key.startsWith("user.")) {
      context.warn(
        path,
        `only files and directories keep the attribute ${key}`,
      );
    } else {
      throw refused(`set the attribute ${key} of`, "fsetxattr", code, path);
    }
  }
}

/** Dresses a directory, but for its times, which are set last of all. */
export function dressDirectory(
  context: ApplyContext,
  dir: Dir,
  { mode, owner, xattrs }: {
    mode: number;
    owner: Owner | undefined;
    xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
  },
): void {
  const fd = context.tree.fd(dir);
  const libc = layerSymbols();
  if (owner !== undefined && libc.fchown(fd, owner.uid, owner.gid) !== 0) {
    throw refused("set the owner of", "fchown", errno(), dir.path);
  }
  if (xattrs !== undefined) {
    setXattrs(context, xattrs, {
      path: dir.path,
      isPlain: true,
      set(key, value) {
        if (key !== DEFAULT_ACL) return setXattrOf(fd, key, value);
        dir.defaultAcl = value;
        return 0;
      },
    });
  }
  if (libc.fchmod(fd, mode) !== 0) {
    throw refused("set the mode of", "fchmod", errno(), dir.path);
  }
  dir.inheritedGid = mode & 0o2000
    ? owner?.gid ?? context.rules.gid
    : undefined;
}

/** Takes a directory's attributes away: in an overlay those of the upper directory count alone. */
export function undressDirectory(context: ApplyContext, dir: Dir): void {
  dir.defaultAcl = undefined;
  const path = procPath(context.tree.fd(dir));
  for (const key of listXattrs(path, dir.path)) {
    if (key === "security.selinux" || key.startsWith("trusted.overlay.")) {
      continue;
    }
    if (!context.rules.marks.isInternal(key)) removeXattr(path, key, dir.path);
  }
}

/** Takes back what a directory without an entry got from below. */
export function resetDirectory(context: ApplyContext, dir: Dir): void {
  undressDirectory(context, dir);
  dressDirectory(context, dir, { mode: 0o755, owner: context.plainOwner });
  dir.times = undefined;
}

/** Dresses an open file whose content is complete; no owner is the one it has. */
export function dressFile(
  context: ApplyContext,
  fd: number,
  { header, owner }: { header: TarHeader; owner: Owner | undefined },
): void {
  const libc = layerSymbols();
  const { mode, xattrs, name } = header;
  if (owner !== undefined && libc.fchown(fd, owner.uid, owner.gid) !== 0) {
    throw refused("set the owner of", "fchown", errno(), name);
  }
  if (xattrs !== undefined) {
    setXattrs(context, xattrs, {
      path: name,
      isPlain: true,
      set: (key, value) => setXattrOf(fd, key, value),
    });
  }
  if (
    (needsMode(context, mode) || xattrs !== undefined) &&
    libc.fchmod(fd, mode) !== 0
  ) throw refused("set the mode of", "fchmod", errno(), name);
  if (libc.futimens(fd, timespecsOf(header)) !== 0) {
    throw refused("set the times of", "futimens", errno(), name);
  }
}

/** Dresses what cannot be opened; no call follows a link. */
export function dressByName(
  context: ApplyContext,
  header: TarHeader,
  { parent, name }: { parent: Dir; name: string },
): void {
  const libc = layerSymbols();
  const dirfd = context.tree.fd(parent);
  const bytes = name_.set(name);
  const owner = context.ownerToSet(header, parent);
  if (
    owner !== undefined &&
    libc.fchownat(dirfd, bytes, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) !== 0
  ) throw refused("set the owner of", "fchownat", errno(), header.name);
  if (header.xattrs !== undefined) {
    const path = procPath(dirfd, name);
    setXattrs(context, header.xattrs, {
      path: header.name,
      isPlain: false,
      set: (key, value) => setXattr(path, key, value),
    });
  }
  if (
    header.typeflag !== TypeFlag.SYMLINK && needsMode(context, header.mode)
  ) setModeByName(header, dirfd, name);
  if (
    libc.utimensat(dirfd, bytes, timespecsOf(header), AT_SYMLINK_NOFOLLOW) !== 0
  ) throw refused("set the times of", "utimensat", errno(), header.name);
}

/** Whether the call that made it cannot have given it this mode. */
function needsMode(context: ApplyContext, mode: number): boolean {
  return (mode & ~0o777) !== 0 || (mode & context.rules.umask) !== 0;
}

function setModeByName(header: TarHeader, dirfd: number, name: string): void {
  // A descriptor that is certainly not of a link, and its mode by way of procfs.
  const fd = openChild(dirfd, name, O_PATH | O_NOFOLLOW);
  if (fd < 0) throw refused("open", "openat2", -fd, header.name);
  const libc = layerSymbols();
  try {
    if (libc.chmod(path_.set(`/proc/self/fd/${fd}`), header.mode) !== 0) {
      throw refused("set the mode of", "chmod", errno(), header.name);
    }
  } finally {
    libc.close(fd);
  }
}

/** Sets on all directories what had to wait until nothing more is written; a step is one directory. */
export function* finishDirectories(context: ApplyContext): Generator<void> {
  const { root } = context.tree;
  finishDirectory(context, root);
  const stack: Dir[] = [root];
  for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
    // All in one together: it is opened once for them.
    for (const child of dir.children?.values() ?? []) {
      finishDirectory(context, child);
      if (child.children !== undefined) stack.push(child);
      yield;
    }
  }
}

function finishDirectory(context: ApplyContext, dir: Dir): void {
  if (dir.defaultAcl !== undefined) setDefaultAcl(context, dir);
  if (dir.times !== undefined) setTimes(context, dir, dir.times);
}

function setTimes({ tree }: ApplyContext, dir: Dir, times: DirTimes): void {
  const { atime, atimeNs, mtime, mtimeNs } = times;
  const libc = layerSymbols();
  const result = dir.fd >= 0 || dir.parent === undefined
    ? libc.futimens(dir.fd, timespecs(atime, atimeNs, mtime, mtimeNs))
    : libc.utimensat(
      tree.fd(dir.parent),
      name_.set(dir.name),
      timespecs(atime, atimeNs, mtime, mtimeNs),
      AT_SYMLINK_NOFOLLOW,
    );
  if (result !== 0) {
    throw refused("set the times of", "utimensat", errno(), dir.path);
  }
}

function setDefaultAcl({ tree }: ApplyContext, dir: Dir): void {
  const acl = new Uint8Array(dir.defaultAcl!);
  const code = setXattrOf(tree.fd(dir), DEFAULT_ACL, acl);
  if (code !== 0 && code !== EOPNOTSUPP) {
    throw refused(
      `set the attribute ${DEFAULT_ACL} of`,
      "fsetxattr",
      code,
      dir.path,
    );
  }
}
