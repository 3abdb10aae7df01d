/** Copying a file of the layers below, for a hard link of this layer to it: overlay does the same when one links such a file. */
import { errno } from "@containerkit/libc";
import type { ApplyContext, Owner } from "./_apply_context.ts";
import { CAPABILITY, mapCapability } from "./_capability.ts";
import type { Dir } from "./_dir_tree.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  CName,
  O_CLOEXEC,
  O_NOFOLLOW,
  openChild,
  procPath,
  readLinkAt,
  refused,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Stat,
  timespecs,
} from "./_files.ts";
import { pathIn } from "./_hide.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { readXattrs } from "./_parent_layers.ts";
import { writeAll } from "./_write_all.ts";
import { setXattrOf } from "./_xattrs.ts";

const CREATE = 0o301 | O_NOFOLLOW | O_CLOEXEC;
const PIECE = 1 << 20;

const name_ = new CName();
const target_ = new CName();

/** Copies a file or a link of the layers below; a step is a piece of it. Gives false if there is none. */
export function* copyUp(
  context: ApplyContext,
  dir: Dir,
  name: string,
): Generator<void, boolean> {
  const { parents } = context.rules;
  if (parents === undefined || dir.opaque || dir.hidden?.has(name)) {
    return false;
  }
  using below = parents.open([...dir.path.split("/"), name]);
  if (below === undefined) return false;
  const kind = below.stat.mode & S_IFMT;
  if (kind !== S_IFREG && kind !== S_IFLNK) return false;
  const owner = context.ownerLike(below.stat, pathIn(dir, name));
  const source = { ...below, owner };
  if (kind === S_IFREG) yield* copyFile(context, dir, { name, below: source });
  else copyLink(context, dir, { name, below: source });
  // It is not the layer's own: the layer may hide it.
  (dir.copied ??= new Set()).add(name);
  return true;
}

interface Source {
  readonly dirfd: number;
  readonly name: string;
  readonly stat: Stat;
  /** The owner of the copy. */
  readonly owner: Owner;
}

function* copyFile(
  { tree, rules }: ApplyContext,
  dir: Dir,
  { name, below }: { name: string; below: Source },
): Generator<void> {
  const { stat, owner } = below;
  const path = pathIn(dir, name);
  const libc = layerSymbols();
  const source = openChild(below.dirfd, below.name, 0);
  if (source < 0) throw refused("open", "openat2", -source, path);
  let fd = -1;
  try {
    fd = libc.openat(tree.fd(dir), name_.set(name), CREATE, 0o600);
    if (fd < 0) throw refused("create", "openat", errno(), path);
    const piece = new Uint8Array(Math.min(PIECE, stat.size || 1));
    for (;;) {
      const length = Number(libc.read(source, piece, BigInt(piece.length)));
      if (length < 0) throw refused("read", "read", errno(), path);
      if (length === 0) break;
      writeAll(fd, piece.subarray(0, length), path);
      yield;
    }
    if (libc.fchown(fd, owner.uid, owner.gid) !== 0) {
      throw refused("set the owner of", "fchown", errno(), path);
    }
    const xattrs = readXattrs(procPath(below.dirfd, below.name), path);
    for (const [key, value] of xattrs) {
      const code = setXattrOf(
        fd,
        key,
        key === CAPABILITY && rules.mapParents
          ? mapCapability(value, rules.mapUid)
          : new Uint8Array(value),
      );
      if (code !== 0) {
        throw refused(`set the attribute ${key} of`, "fsetxattr", code, path);
      }
    }
    if (libc.fchmod(fd, stat.mode & 0o7777) !== 0) {
      throw refused("set the mode of", "fchmod", errno(), path);
    }
    const times = timespecs(stat.atime, stat.atimeNs, stat.mtime, stat.mtimeNs);
    if (libc.futimens(fd, times) !== 0) {
      throw refused("set the times of", "futimens", errno(), path);
    }
  } finally {
    libc.close(source);
    if (fd >= 0) libc.close(fd);
  }
}

function copyLink(
  { tree }: ApplyContext,
  dir: Dir,
  { name, below }: { name: string; below: Source },
): void {
  const { owner: { uid, gid }, stat } = below;
  const { atime, atimeNs, mtime, mtimeNs } = stat;
  const path = pathIn(dir, name);
  const libc = layerSymbols();
  const target = readLinkAt(below.dirfd, below.name);
  if (typeof target === "number") {
    throw refused("read the link", "readlinkat", -target, path);
  }
  const fd = tree.fd(dir);
  const bytes = name_.set(name);
  if (libc.symlinkat(target_.set(target), fd, bytes) !== 0) {
    throw refused("create", "symlinkat", errno(), path);
  }
  if (libc.fchownat(fd, bytes, uid, gid, AT_SYMLINK_NOFOLLOW) !== 0) {
    throw refused("set the owner of", "fchownat", errno(), path);
  }
  const times = timespecs(atime, atimeNs, mtime, mtimeNs);
  if (libc.utimensat(fd, bytes, times, AT_SYMLINK_NOFOLLOW) !== 0) {
    throw refused("set the times of", "utimensat", errno(), path);
  }
}
