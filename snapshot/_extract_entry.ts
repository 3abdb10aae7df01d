/** Writing one entry of an archive beside what is there. */
import { errno, Fd } from "@containerkit/libc";
import {
  type TarHeader,
  type TarStreamEntry,
  TypeFlag,
} from "@containerkit/tar";
import { cleanPath } from "@containerkit/tar/layer";
import { timesOf } from "./_attributes.ts";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  CName,
  ENOENT,
  EOPNOTSUPP,
  lstatAt,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openChild,
  refused,
  RESOLVE_IN_ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  timespecs,
} from "./_files.ts";
import { isPortableXattr } from "./_is_portable_xattr.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { makeDevice } from "./_make_device.ts";
import { setXattrOf } from "./_xattrs.ts";
import { LayerError } from "./layer_error.ts";

/** `O_WRONLY | O_CREAT | O_EXCL`. */
const CREATE = 0o301 | O_NOFOLLOW | O_CLOEXEC;
/** What is made is nobody else's until it is complete. */
const PRIVATE = 0o600;

const KINDS: Readonly<Record<string, number>> = {
  [TypeFlag.CHARACTER_DEVICE]: S_IFCHR,
  [TypeFlag.BLOCK_DEVICE]: S_IFBLK,
  [TypeFlag.FIFO]: S_IFIFO,
};

const name_ = new CName();
const other_ = new CName();

/** Where an entry goes. */
export interface Spot {
  /** The open directory. */
  readonly dirfd: number;
  readonly name: string;
  /** The open folder that the paths of the archive start at. */
  readonly root: number;
}

/** Opens a directory by its path from a root that no link on it leaves, and makes what is missing. */
export function openFolder(
  root: number,
  names: readonly string[],
  path: string,
): number {
  const open = () =>
    openChild(
      root,
      names.join("/") || ".",
      O_PATH | O_DIRECTORY,
      RESOLVE_IN_ROOT,
    );
  let fd = open();
  if (fd === -ENOENT && names.length > 0) {
    using above = new Fd(openFolder(root, names.slice(0, -1), path));
    const name = name_.set(names.at(-1)!);
    if (layerSymbols().mkdirat(above.number, name, 0o755) !== 0) {
      throw refused("create the directory of", "mkdirat", errno(), path);
    }
    fd = open();
  }
  if (fd < 0) throw refused("open the directory of", "openat2", -fd, path);
  return fd;
}

/** Whether a directory is there, or something else; `undefined` is nothing. */
function isFolderThere({ dirfd, name }: Spot): boolean | undefined {
  const stat = lstatAt(dirfd, name);
  if (stat === -ENOENT) return undefined;
  if (typeof stat === "number") throw refused("look at", "statx", -stat, name);
  return (stat.mode & S_IFMT) === S_IFDIR;
}

/** Makes a directory, or dresses the one that is there; its times come later. */
export function makeFolder(
  spot: Spot,
  header: TarHeader,
  sameOwner: boolean,
): void {
  const { dirfd, name } = spot;
  const isFolder = isFolderThere(spot);
  if (isFolder === false) {
    throw new Deno.errors.NotADirectory(
      `Cannot extract "${header.name}": what is there is no directory`,
    );
  }
  if (
    isFolder === undefined &&
    layerSymbols().mkdirat(dirfd, name_.set(name), 0o700) !== 0
  ) throw refused("create", "mkdirat", errno(), header.name);
  const fd = openChild(dirfd, name, O_DIRECTORY);
  if (fd < 0) throw refused("open", "openat2", -fd, header.name);
  using folder = new Fd(fd);
  dress(folder.number, header, sameOwner);
}

/** Makes anything but a directory beside its name, and gives it that once it is complete. */
export async function replaceFile(
  spot: Spot,
  entry: TarStreamEntry,
  { sameOwner, signal }: {
    readonly sameOwner: boolean;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { dirfd, name } = spot;
  const { header } = entry;
  if (isFolderThere(spot)) {
    throw new Deno.errors.IsADirectory(
      `Cannot extract "${header.name}": a directory is there`,
    );
  }
  const temporary = `.${crypto.randomUUID()}`;
  const libc = layerSymbols();
  try {
    using made = await make({ ...spot, name: temporary }, entry, signal);
    if (header.typeflag !== TypeFlag.LINK) {
      dress(made.number, header, sameOwner);
      setTimes(dirfd, temporary, header);
    }
    const [from, to] = [name_.set(temporary), other_.set(name)];
    if (libc.renameat2(dirfd, from, dirfd, to, 0) !== 0) {
      throw refused("create", "renameat2", errno(), header.name);
    }
  } finally {
    // It is there still if something failed, and if it is another name of what it was to replace.
    libc.unlinkat(dirfd, name_.set(temporary), 0);
  }
}

/** Makes it and opens it, which for anything but a file does nothing to it. */
async function make(
  { dirfd, name, root }: Spot,
  { header, readable }: TarStreamEntry,
  signal: AbortSignal | undefined,
): Promise<Fd> {
  const { typeflag, linkname, devmajor, devminor } = header;
  const libc = layerSymbols();
  if (typeflag === TypeFlag.FILE) {
    const fd = libc.openat(dirfd, name_.set(name), CREATE, PRIVATE);
    if (fd < 0) throw refused("create", "openat", errno(), header.name);
    using made = new DisposableStack();
    const file = made.use(new Fd(fd));
    const { writable } = await Deno.open(`/proc/self/fd/${fd}`, {
      write: true,
    });
    const body = readable ?? ReadableStream.from<Uint8Array>([]);
    await body.pipeTo(writable, signal === undefined ? {} : { signal });
    made.move();
    return file;
  }
  if (typeflag === TypeFlag.SYMLINK) {
    const target = other_.set(linkname);
    if (libc.symlinkat(target, dirfd, name_.set(name)) !== 0) {
      throw refused("create", "symlinkat", errno(), header.name);
    }
  } else if (typeflag === TypeFlag.LINK) {
    const names = cleanPath(linkname);
    const base = names.pop() ?? ".";
    const path = names.join("/") || ".";
    const fd = openChild(root, path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
    if (fd < 0) throw refused("link", "openat2", -fd, header.name);
    using folder = new Fd(fd);
    const target = other_.set(base);
    if (
      libc.linkat(folder.number, target, dirfd, name_.set(name), 0) !== 0
    ) throw refused("link", "linkat", errno(), header.name);
  } else {
    const kind = KINDS[typeflag];
    if (kind === undefined) {
      const why = `its kind ${JSON.stringify(typeflag)} is unknown`;
      throw new LayerError(header.name, why);
    }
    const device = kind === S_IFIFO ? 0n : makeDevice(devmajor, devminor);
    if (
      libc.mknodat(dirfd, name_.set(name), kind | PRIVATE, device) !== 0
    ) throw refused("create", "mknodat", errno(), header.name);
  }
  // Whoever may write there too may have put something else in its place.
  const fd = openChild(dirfd, name, O_PATH | O_NOFOLLOW);
  if (fd < 0) throw refused("open", "openat2", -fd, header.name);
  return new Fd(fd);
}

/** Sets owner, attributes and mode of what is open, in the order in which none undoes another. */
function dress(fd: number, header: TarHeader, sameOwner: boolean): void {
  const { typeflag, uid, gid, mode, xattrs } = header;
  const libc = layerSymbols();
  if (
    sameOwner &&
    libc.fchownat(fd, name_.set(""), uid, gid, AT_EMPTY_PATH) !== 0
  ) throw refused("set the owner of", "fchownat", errno(), header.name);
  const keepsXattrs = typeflag === TypeFlag.FILE ||
    typeflag === TypeFlag.DIRECTORY;
  for (const [key, value] of keepsXattrs ? xattrs ?? [] : []) {
    if (!isPortableXattr(key)) continue;
    const code = setXattrOf(fd, key, new Uint8Array(value));
    if (code === 0 || code === EOPNOTSUPP) continue;
    const action = `set the attribute ${key} of`;
    throw refused(action, "fsetxattr", code, header.name);
  }
  // The mode of a link means nothing.
  if (typeflag === TypeFlag.SYMLINK) return;
  const path = name_.set(`/proc/self/fd/${fd}`);
  if (libc.chmod(path, mode & 0o7777) !== 0) {
    throw refused("set the mode of", "chmod", errno(), header.name);
  }
}

/** Sets the times of a name as an entry has them. */
export function setTimes(
  dirfd: number,
  name: string,
  header: TarHeader,
): void {
  const { atime, atimeNs, mtime, mtimeNs } = timesOf(header);
  const result = layerSymbols().utimensat(
    dirfd,
    name_.set(name),
    timespecs(atime, atimeNs, mtime, mtimeNs),
    AT_SYMLINK_NOFOLLOW,
  );
  if (result !== 0) {
    throw refused("set the times of", "utimensat", errno(), header.name);
  }
}
