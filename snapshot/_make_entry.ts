/** Making what entries describe. What is in the way goes, but for directories, which may be large. */
import { errno } from "@containerkit/libc";
import { type TarHeader, TypeFlag } from "@containerkit/tar";
import { cleanPath } from "@containerkit/tar/layer";
import type { ApplyContext } from "./_apply_context.ts";
import {
  dressByName,
  dressDirectory,
  timesOf,
  undressDirectory,
} from "./_attributes.ts";
import type { Dir, MissingHandler } from "./_dir_tree.ts";
import {
  CName,
  EEXIST,
  EINTR,
  ENOENT,
  lstatAt,
  O_CLOEXEC,
  O_NOFOLLOW,
  refused,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
} from "./_files.ts";
import { markOpaque, pathIn } from "./_hide.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { makeDevice } from "./_make_device.ts";
import { removeFile } from "./_remove_tree.ts";
import { LayerError } from "./layer_error.ts";

const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const CREATE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

const name_ = new CName();
const target_ = new CName();

/** Where an entry goes. */
export interface Spot {
  readonly parent: Dir;
  readonly name: string;
}

/** Makes room, unless a directory is there. */
function isRoomMade({ tree }: ApplyContext, { parent, name }: Spot): boolean {
  const isRemoved = removeFile(tree.fd(parent), name, pathIn(parent, name));
  if (isRemoved) tree.forget(parent, name);
  return isRemoved;
}

/** Creates a file and opens it; `undefined` if a directory is there. */
export function createFile(
  context: ApplyContext,
  header: TarHeader,
  spot: Spot,
): number | undefined {
  const { parent, name } = spot;
  const libc = layerSymbols();
  const dirfd = context.tree.fd(parent);
  for (;;) {
    const fd = libc.openat(
      dirfd,
      name_.set(name),
      CREATE,
      header.mode & 0o777,
    );
    if (fd >= 0) {
      context.wrote(parent, name);
      return fd;
    }
    const code = errno();
    if (code === EINTR) continue;
    if (code !== EEXIST) throw refused("create", "openat", code, header.name);
    if (!isRoomMade(context, spot)) return undefined;
  }
}

/** Makes a directory where none is; what else is there goes. */
export function createDirectory(
  context: ApplyContext,
  spot: Spot,
  mode: number,
): Dir {
  const { parent, name } = spot;
  const { tree, rules } = context;
  const fd = tree.fd(parent);
  const libc = layerSymbols();
  let isOpaque = parent.hidden?.has(name) ?? false;
  while (libc.mkdirat(fd, name_.set(name), mode & 0o777) !== 0) {
    const code = errno();
    if (code !== EEXIST || !isRoomMade(context, spot)) {
      throw refused("create", "mkdirat", code, pathIn(parent, name));
    }
    // Whatever was there hid what is below.
    isOpaque = true;
    rules.implicit?.replace(pathIn(parent, name));
  }
  const dir = tree.add(parent, name, true);
  dir.opaque = parent.opaque;
  if (parent.hidden?.delete(name)) {
    rules.marks.createdOver(context.marksOf(parent), name);
  }
  if (isOpaque && !dir.opaque) markOpaque(context, dir);
  return dir;
}

/** Makes a directory, or dresses the one that is there. */
export function makeDirectory(
  context: ApplyContext,
  header: TarHeader,
  { parent, name }: Spot,
): Dir {
  let dir = parent.children?.get(name);
  if (dir === undefined && !parent.fresh) {
    // A directory that was there is merged with, anything else is replaced.
    const found = context.tree.open(parent, name);
    if (typeof found !== "number") dir = found;
  }
  const isMerged = dir !== undefined;
  const { mode, xattrs } = header;
  dir ??= createDirectory(context, { parent, name }, mode);
  dir.explicit = true;
  parent.write(name);
  if (isMerged) undressDirectory(context, dir);
  const owner = context.owner(header);
  const isExact = !isMerged && (mode & ~0o777) === 0 &&
    (mode & context.rules.umask) === 0 &&
    // A directory takes over the set-group-ID bit too.
    parent.inheritedGid === undefined && context.isOwn(owner, parent);
  if (!isExact || xattrs !== undefined) {
    dressDirectory(context, dir, { mode, owner, xattrs });
  }
  dir.times = timesOf(header);
  return dir;
}

/** The root is there already, and stays a directory whatever the layer says. */
export function dressRoot(context: ApplyContext, header: TarHeader): undefined {
  if (header.typeflag !== TypeFlag.DIRECTORY) return;
  const { root } = context.tree;
  const owner = context.owner(header);
  undressDirectory(context, root);
  const { mode, xattrs } = header;
  dressDirectory(context, root, { mode, owner, xattrs });
  root.times = timesOf(header);
}

/** Makes a symbolic link. Gives false if a directory is there. */
export function makeSymlink(
  context: ApplyContext,
  header: TarHeader,
  spot: Spot,
): boolean {
  if (header.linkname === "") {
    throw new LayerError(header.name, "it is a symbolic link to nothing");
  }
  const { parent, name } = spot;
  const libc = layerSymbols();
  const dirfd = context.tree.fd(parent);
  const target = target_.set(header.linkname);
  while (libc.symlinkat(target, dirfd, name_.set(name)) !== 0) {
    const code = errno();
    if (code !== EEXIST) {
      throw refused("create", "symlinkat", code, header.name);
    }
    if (!isRoomMade(context, spot)) return false;
  }
  context.wrote(parent, name);
  dressByName(context, header, spot);
  return true;
}

/** Makes a device or a FIFO. Gives false if a directory is there. */
export function makeNode(
  context: ApplyContext,
  header: TarHeader,
  spot: Spot,
): boolean {
  const { parent, name } = spot;
  const { typeflag, mode } = header;
  const isDevice = typeflag !== TypeFlag.FIFO;
  if (isDevice) {
    checkDevice(header);
    if (!context.rules.devices) {
      context.warn(header.name, "devices cannot be made in a user namespace");
      return true;
    }
  }
  const kind = !isDevice
    ? S_IFIFO
    : typeflag === TypeFlag.CHARACTER_DEVICE
    ? S_IFCHR
    : S_IFBLK;
  const dev = isDevice ? makeDevice(header.devmajor, header.devminor) : 0n;
  const libc = layerSymbols();
  const dirfd = context.tree.fd(parent);
  while (
    libc.mknodat(dirfd, name_.set(name), kind | (mode & 0o777), dev) !== 0
  ) {
    const code = errno();
    if (code !== EEXIST) throw refused("create", "mknodat", code, header.name);
    if (!isRoomMade(context, spot)) return false;
  }
  context.wrote(parent, name);
  dressByName(context, header, spot);
  return true;
}

function checkDevice({ name, devmajor, devminor }: TarHeader): void {
  for (const number of [devmajor, devminor]) {
    if (number < 0 || number > 0xffffffff) {
      throw new LayerError(
        name,
        `its device ${devmajor}:${devminor} is out of range`,
      );
    }
  }
}

function wrongTarget(
  { name, linkname }: TarHeader,
  why: string,
): LayerError {
  const target = JSON.stringify(linkname);
  return new LayerError(name, `it is a link to ${target}, which ${why}`);
}

/** What a hard link to nothing is. */
export function missingTarget(header: TarHeader): LayerError {
  return wrongTarget(header, "is not there");
}

/** Makes a hard link. Gives false if a directory is there, `undefined` if its target is not. */
export function makeLink(
  context: ApplyContext,
  header: TarHeader,
  spot: Spot,
): boolean | undefined {
  const { parent, name } = spot;
  const { tree } = context;
  const found = findTarget(context, header);
  if (found === undefined) return undefined;
  const { dir: target, name: base } = found;
  const libc = layerSymbols();
  for (;;) {
    const result = libc.linkat(
      tree.fd(target),
      target_.set(base),
      tree.fd(parent),
      name_.set(name),
      0,
    );
    if (result === 0) break;
    const code = errno();
    if (code === ENOENT) return undefined;
    const one = lstatAt(tree.fd(target), base);
    if (typeof one !== "number" && (one.mode & S_IFMT) === S_IFDIR) {
      throw wrongTarget(header, "is a directory");
    }
    if (code !== EEXIST) throw refused("create", "linkat", code, header.name);
    const other = lstatAt(tree.fd(parent), name);
    if (
      typeof one !== "number" && typeof other !== "number" &&
      one.ino === other.ino && one.dev === other.dev
    ) break;
    if (!isRoomMade(context, spot)) return false;
  }
  context.wrote(parent, name);
  return true;
}

/** What a hard link leads to: links on the way are followed, also those below, the last name is not. */
function findTarget(
  context: ApplyContext,
  header: TarHeader,
): { dir: Dir; name: string } | undefined {
  const names = cleanPath(header.linkname);
  const name = names.pop();
  const missing: MissingHandler = (parent, name) => {
    const below = context.findBelow(parent, name);
    return below?.kind === "link" ? { link: below.target } : undefined;
  };
  const dir = name === undefined
    ? undefined
    : context.tree.walk(names, missing, header.name);
  // What stands at a hidden name is its mark.
  return name === undefined || dir === undefined || dir.hidden?.has(name)
    ? undefined
    : { dir, name };
}
