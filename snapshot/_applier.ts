/** Applies the entries of one layer to a directory, in whatever order they come. */
import { errno, SyscallError } from "@containerkit/libc";
import { type TarHeader, type TarSink, TypeFlag } from "@containerkit/tar";
import { parseWhiteout } from "@containerkit/tar/layer";
import { DEFAULT_ACL, type Dir, type DirTree } from "./_dir_tree.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  CName,
  EEXIST,
  EINTR,
  ENOENT,
  listDir,
  lstatAt,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openChild,
  procPath,
  refused,
  removeAt,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  timespecs,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import {
  directoryMarks,
  type LayerMarks,
  type OpenDir,
} from "./_layer_marks.ts";
import type { ParentLayers } from "./_parent_layers.ts";
import { listXattrs, removeXattr, setXattr, setXattrOf } from "./_xattrs.ts";
import { writeAll, writeAt, writeElsewhere } from "./_write_all.ts";
import { LayerError } from "./layer_error.ts";

const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const CREATE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
const EPERM = 1;
const EOPNOTSUPP = 95;
const MAX_ID = 0xffffffff - 1;
/** The last second that a 64-bit count of nanoseconds holds. */
const MAX_TIME = 9223372036;
/** From here on a write is worth a thread of its own. */
const ELSEWHERE = 1 << 17;
const MAX_WARNINGS = 1000;

/** Something that was left out, and why. */
export interface LayerWarning {
  /** The path of the entry. */
  readonly path: string;
  /** What was left out, and why. */
  readonly message: string;
}

export interface ApplierOptions {
  readonly marks: LayerMarks;
  readonly parents: ParentLayers | undefined;
  readonly umask: number;
  readonly uid: number;
  readonly gid: number;
  readonly sameOwner: boolean;
  readonly devices: boolean;
  readonly mapUid: (id: number) => number | undefined;
  readonly mapGid: (id: number) => number | undefined;
  readonly filter: ((header: TarHeader) => boolean) | undefined;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface OpenFile {
  readonly fd: number;
  readonly header: TarHeader;
  readonly parent: Dir;
  readonly name: string;
  position: number;
}

export class Applier implements TarSink, Disposable {
  readonly #tree: DirTree;
  readonly #options: ApplierOptions;
  readonly #name = new CName();
  readonly #second = new CName();
  #file: OpenFile | undefined;
  /** The directory of the last entry by its name as written, for the next one. */
  #lastPrefix: string | undefined;
  #lastParent: Dir | undefined;
  readonly warnings: LayerWarning[] = [];
  entries = 0;
  /** A write that goes on elsewhere; to be awaited before the next chunk. */
  pending: Promise<void> | undefined;

  constructor(tree: DirTree, options: ApplierOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  entry(header: TarHeader): void {
    this.entries++;
    if (this.#options.filter?.(header) === false) return;
    try {
      this.#begin(header);
    } catch (error) {
      if (error instanceof LayerError || !(error instanceof RangeError)) {
        throw error;
      }
      throw new LayerError(header.name, error.message, { cause: error });
    }
  }

  #begin(header: TarHeader): void {
    const found = this.#locate(header.name);
    if (found === undefined) return;
    const { parent, name } = found;
    if (name === "") return this.#dressRoot(header);
    const whiteout = parseWhiteout(name);
    if (whiteout !== undefined) {
      if (whiteout.kind === "opaque") this.#makeOpaque(parent);
      else if (whiteout.kind === "hide") this.#hide(parent, whiteout.name);
      return;
    }
    switch (header.typeflag) {
      case TypeFlag.FILE:
        return this.#beginFile(header, parent, name);
      case TypeFlag.DIRECTORY:
        this.#makeDirectory(header, parent, name);
        break;
      case TypeFlag.SYMLINK:
        this.#makeSymlink(header, parent, name);
        break;
      case TypeFlag.LINK:
        this.#makeLink(header, parent, name);
        break;
      case TypeFlag.CHARACTER_DEVICE:
      case TypeFlag.BLOCK_DEVICE:
      case TypeFlag.FIFO:
        this.#makeNode(header, parent, name);
        break;
      default:
        throw new LayerError(
          header.name,
          `its kind ${JSON.stringify(header.typeflag)} is unknown`,
        );
    }
  }

  data(bytes: Uint8Array, position: number): void {
    const file = this.#file;
    if (file === undefined) return;
    const path = file.header.name;
    if (file.header.sparse !== undefined) {
      writeAt(file.fd, bytes, position, path);
    } else if (
      bytes.length >= ELSEWHERE && position + bytes.length < file.header.size
    ) {
      this.pending = writeElsewhere(file.fd, bytes, path);
    } else {
      writeAll(file.fd, bytes, path);
    }
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      this.#finishFile(file);
    } finally {
      layerSymbols().close(file.fd);
    }
  }

  /** Sets what had to wait until nothing more is written. */
  finish(): void {
    const stack: Dir[] = [this.#tree.root];
    const libc = layerSymbols();
    for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
      if (dir.defaultAcl !== undefined) this.#setDefaultAcl(dir);
      if (dir.times !== undefined) {
        const { atime, atimeNs, mtime, mtimeNs } = dir.times;
        const times = timespecs(atime, atimeNs, mtime, mtimeNs);
        const result = dir.fd >= 0 || dir.parent === undefined
          ? libc.futimens(dir.fd, times)
          : libc.utimensat(
            this.#tree.fd(dir.parent),
            this.#name.set(dir.name),
            timespecs(atime, atimeNs, mtime, mtimeNs),
            AT_SYMLINK_NOFOLLOW,
          );
        if (result !== 0) {
          throw refused("set the times of", "utimensat", errno(), dir.path);
        }
      }
      if (dir.children !== undefined) stack.push(...dir.children.values());
    }
  }

  #setDefaultAcl(dir: Dir): void {
    const acl = new Uint8Array(dir.defaultAcl!);
    const code = setXattrOf(this.#tree.fd(dir), DEFAULT_ACL, acl);
    if (code !== 0 && code !== EOPNOTSUPP) {
      throw refused(
        `set the attribute ${DEFAULT_ACL} of`,
        "fsetxattr",
        code,
        dir.path,
      );
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) layerSymbols().close(this.#file.fd);
    this.#tree[Symbol.dispose]();
  }

  #warn(path: string, message: string): void {
    if (this.warnings.length < MAX_WARNINGS) {
      this.warnings.push({ path, message });
    }
  }

  /** Where an entry goes, with no name if it is the root itself; `undefined` is a mark where nothing can be hidden. */
  #locate(path: string): { parent: Dir; name: string } | undefined {
    const end = path.endsWith("/") ? path.length - 1 : path.length;
    const slash = path.lastIndexOf("/", end - 1);
    const prefix = path.slice(0, slash + 1);
    const name = path.slice(slash + 1, end);
    if (
      prefix === this.#lastPrefix && name !== "" && name !== "." &&
      name !== ".."
    ) {
      return { parent: this.#lastParent!, name };
    }
    const names = clean(path);
    const base = names.pop();
    if (base === undefined) return { parent: this.#tree.root, name: "" };
    const parent = parseWhiteout(base) === undefined
      ? this.#tree.walk(names, this.#makeParent, path)
      : this.#parentOfMark(names, path);
    if (parent === undefined) return undefined;
    if (base === name && !prefix.includes("..")) {
      this.#lastPrefix = prefix;
      this.#lastParent = parent;
    }
    return { parent, name: base };
  }

  /** The root is there already, and stays a directory whatever the layer says. */
  #dressRoot(header: TarHeader): void {
    if (header.typeflag !== TypeFlag.DIRECTORY) return;
    const { root } = this.#tree;
    this.#dropXattrs(root);
    this.#setDirectory(
      root,
      header.mode,
      this.#owner(header),
      header.xattrs,
    );
    root.times = times(header);
  }

  /** Some writers hide what was in a directory that their layer replaces by a file: nothing is left to do then. */
  #parentOfMark(names: readonly string[], path: string): Dir | undefined {
    const isPlain = this.#options.marks === directoryMarks;
    const missing = isPlain ? () => undefined : this.#makeParent;
    try {
      return this.#tree.walk(names, missing, path);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ENOTDIR") {
        return undefined;
      }
      throw error;
    }
  }

  /** A directory that the layer writes into but has no entry for. */
  readonly #makeParent = (
    parent: Dir,
    name: string,
  ): Dir | { link: string } | undefined => {
    const hidden = parent.hidden?.has(name) ?? false;
    const found = lstatAt(this.#tree.fd(parent), name);
    if (typeof found !== "number") {
      // In the way: nothing but a mark of this layer may be replaced.
      if (!hidden || !this.#options.marks.isMark(found)) return undefined;
    }
    const above = hidden || parent.opaque
      ? undefined
      : this.#options.parents?.find([...parent.path.split("/"), name]);
    if (above?.kind === "link") return { link: above.target };
    const dir = this.#createDirectory(parent, name, 0o755);
    parent.write(name);
    if (above?.kind === "dir") {
      const { stat } = above;
      this.#setDirectory(dir, stat.mode & 0o7777, stat, above.xattrs);
      dir.times = stat;
    } else if (parent.inheritedGid !== undefined) {
      this.#setDirectory(dir, 0o755, { uid: 0, gid: 0 }, undefined);
    }
    return dir;
  };

  /** Makes a directory where none is; what else is there goes. */
  #createDirectory(parent: Dir, name: string, mode: number): Dir {
    const fd = this.#tree.fd(parent);
    const libc = layerSymbols();
    let opaque = parent.hidden?.has(name) ?? false;
    while (libc.mkdirat(fd, this.#name.set(name), mode & 0o777) !== 0) {
      const code = errno();
      if (code !== EEXIST) {
        throw refused("create", "mkdirat", code, join(parent, name));
      }
      // Whatever this layer had there hid what is below.
      this.#remove(parent, name);
      opaque = true;
    }
    const dir = this.#tree.add(parent, name, true);
    dir.opaque = parent.opaque;
    if (parent.hidden?.delete(name)) {
      this.#options.marks.createdOver(this.#marksOf(parent), name);
    }
    if (opaque && !dir.opaque) this.#markOpaque(dir);
    return dir;
  }

  #makeDirectory(header: TarHeader, parent: Dir, name: string): void {
    let dir = parent.children?.get(name);
    let merged = dir !== undefined && !dir.fresh;
    if (dir === undefined && !parent.fresh) {
      // A directory that was there is merged with, anything else is replaced.
      const found = this.#tree.open(parent, name);
      if (typeof found !== "number") {
        dir = found;
        merged = true;
      }
    }
    const mode = header.mode;
    dir ??= this.#createDirectory(parent, name, mode);
    dir.explicit = true;
    parent.write(name);
    if (merged) this.#dropXattrs(dir);
    const owner = this.#owner(header);
    const exact = dir.fresh && dir.fd < 0 && (mode & ~0o777) === 0 &&
      (mode & this.#options.umask) === 0 &&
      // A directory takes over the set-group-ID bit too.
      parent.inheritedGid === undefined && this.#isOwn(owner, parent);
    if (!exact || header.xattrs !== undefined) {
      this.#setDirectory(dir, mode, owner, header.xattrs);
    }
    dir.times = times(header);
  }

  /** Owner, attributes and mode, in the order in which none undoes another. */
  #setDirectory(
    dir: Dir,
    mode: number,
    owner: Owner | undefined,
    xattrs: ReadonlyMap<string, Uint8Array> | undefined,
  ): void {
    const fd = this.#tree.fd(dir);
    const libc = layerSymbols();
    if (owner !== undefined && libc.fchown(fd, owner.uid, owner.gid) !== 0) {
      throw refused("set the owner of", "fchown", errno(), dir.path);
    }
    this.#setXattrs(xattrs, dir.path, true, (key, value) => {
      if (key !== DEFAULT_ACL) return setXattrOf(fd, key, value);
      dir.defaultAcl = value;
      return 0;
    });
    if (libc.fchmod(fd, mode) !== 0) {
      throw refused("set the mode of", "fchmod", errno(), dir.path);
    }
    dir.inheritedGid = mode & 0o2000
      ? owner?.gid ?? this.#options.gid
      : undefined;
  }

  /** In an overlay the attributes of the upper directory count alone. */
  #dropXattrs(dir: Dir): void {
    dir.defaultAcl = undefined;
    const path = procPath(this.#tree.fd(dir));
    for (const key of listXattrs(path, dir.path)) {
      if (key === "security.selinux" || key.startsWith("trusted.overlay.")) {
        continue;
      }
      if (!this.#options.marks.isInternal(key)) {
        removeXattr(path, key, dir.path);
      }
    }
  }

  #beginFile(header: TarHeader, parent: Dir, name: string): void {
    const dirfd = this.#tree.fd(parent);
    const libc = layerSymbols();
    const bytes = this.#name.set(name);
    let fd: number;
    for (;;) {
      fd = libc.openat(dirfd, bytes, CREATE, header.mode & 0o777);
      if (fd >= 0) break;
      const code = errno();
      if (code === EINTR) continue;
      if (code !== EEXIST) throw refused("create", "openat", code, header.name);
      this.#remove(parent, name);
    }
    this.#wrote(parent, name);
    this.#file = { fd, header, parent, name, position: 0 };
  }

  #finishFile({ fd, header, parent }: OpenFile): void {
    const libc = layerSymbols();
    const { mode, sparse, size, name } = header;
    if (sparse !== undefined && libc.ftruncate(fd, BigInt(size)) !== 0) {
      throw refused("set the size of", "ftruncate", errno(), name);
    }
    const owner = this.#owner(header);
    const own = this.#isOwn(owner, parent);
    if (!own && libc.fchown(fd, owner!.uid, owner!.gid) !== 0) {
      throw refused("set the owner of", "fchown", errno(), name);
    }
    if (header.xattrs !== undefined) {
      this.#setXattrs(
        header.xattrs,
        name,
        true,
        (key, value) => setXattrOf(fd, key, value),
      );
    }
    if (
      ((mode & ~0o777) !== 0 || (mode & this.#options.umask) !== 0 ||
        header.xattrs !== undefined) && libc.fchmod(fd, mode) !== 0
    ) throw refused("set the mode of", "fchmod", errno(), name);
    if (libc.futimens(fd, timesOf(header)) !== 0) {
      throw refused("set the times of", "futimens", errno(), name);
    }
  }

  #makeSymlink(header: TarHeader, parent: Dir, name: string): void {
    if (header.linkname === "") {
      throw new LayerError(header.name, "it is a symbolic link to nothing");
    }
    const libc = layerSymbols();
    const dirfd = this.#tree.fd(parent);
    const bytes = this.#name.set(name);
    const target = this.#second.set(header.linkname);
    while (libc.symlinkat(target, dirfd, bytes) !== 0) {
      const code = errno();
      if (code !== EEXIST) {
        throw refused("create", "symlinkat", code, header.name);
      }
      this.#remove(parent, name);
    }
    this.#wrote(parent, name);
    this.#setByName(header, parent, name);
  }

  #makeNode(header: TarHeader, parent: Dir, name: string): void {
    const { devmajor, devminor, typeflag, mode } = header;
    const device = typeflag !== TypeFlag.FIFO;
    if (device) {
      for (const number of [devmajor, devminor]) {
        if (number < 0 || number > 0xffffffff) {
          throw new LayerError(
            header.name,
            `its device ${devmajor}:${devminor} is out of range`,
          );
        }
      }
      if (!this.#options.devices) {
        this.#warn(header.name, "devices cannot be made in a user namespace");
        return;
      }
    }
    const kind = !device
      ? S_IFIFO
      : typeflag === TypeFlag.CHARACTER_DEVICE
      ? S_IFCHR
      : S_IFBLK;
    const dev = device ? makeDevice(devmajor, devminor) : 0n;
    const libc = layerSymbols();
    const dirfd = this.#tree.fd(parent);
    const bytes = this.#name.set(name);
    while (
      libc.mknodat(dirfd, bytes, kind | (mode & 0o777), dev) !== 0
    ) {
      const code = errno();
      if (code !== EEXIST) {
        throw refused("create", "mknodat", code, header.name);
      }
      this.#remove(parent, name);
    }
    this.#wrote(parent, name);
    this.#setByName(header, parent, name);
  }

  /** Owner, attributes, mode and times of what cannot be opened; no call follows a link. */
  #setByName(header: TarHeader, parent: Dir, name: string): void {
    const libc = layerSymbols();
    const dirfd = this.#tree.fd(parent);
    const bytes = this.#name.set(name);
    const owner = this.#owner(header);
    const own = this.#isOwn(owner, parent);
    if (
      !own &&
      libc.fchownat(
          dirfd,
          bytes,
          owner!.uid,
          owner!.gid,
          AT_SYMLINK_NOFOLLOW,
        ) !==
        0
    ) throw refused("set the owner of", "fchownat", errno(), header.name);
    if (header.xattrs !== undefined) {
      const path = procPath(dirfd, name);
      this.#setXattrs(
        header.xattrs,
        header.name,
        false,
        (key, value) => setXattr(path, key, value),
      );
    }
    if (header.typeflag !== TypeFlag.SYMLINK) {
      this.#setModeByName(header, dirfd, name);
    }
    if (
      libc.utimensat(dirfd, bytes, timesOf(header), AT_SYMLINK_NOFOLLOW) !== 0
    ) throw refused("set the times of", "utimensat", errno(), header.name);
  }

  #setModeByName(header: TarHeader, dirfd: number, name: string): void {
    const { mode } = header;
    if ((mode & ~0o777) === 0 && (mode & this.#options.umask) === 0) return;
    // A descriptor that is certainly not of a link, and its mode by way of procfs.
    const fd = openChild(dirfd, name, O_PATH | O_NOFOLLOW);
    if (fd < 0) throw refused("open", "openat2", -fd, header.name);
    const libc = layerSymbols();
    try {
      const path = this.#second.set(`/proc/self/fd/${fd}`);
      if (libc.chmod(path, mode) !== 0) {
        throw refused("set the mode of", "chmod", errno(), header.name);
      }
    } finally {
      libc.close(fd);
    }
  }

  #makeLink(header: TarHeader, parent: Dir, name: string): void {
    const names = clean(header.linkname);
    const base = names.pop();
    const target = base === undefined
      ? undefined
      : this.#tree.walk(names, () => undefined, header.name);
    if (base === undefined || target === undefined) {
      throw new LayerError(
        header.name,
        `it is a link to ${
          JSON.stringify(header.linkname)
        }, which is not there`,
      );
    }
    const libc = layerSymbols();
    for (;;) {
      const result = libc.linkat(
        this.#tree.fd(target),
        this.#second.set(base),
        this.#tree.fd(parent),
        this.#name.set(name),
        0,
      );
      if (result === 0) break;
      const code = errno();
      if (code === ENOENT) {
        throw new LayerError(
          header.name,
          `it is a link to ${
            JSON.stringify(header.linkname)
          }, which is not there`,
        );
      }
      if (code !== EEXIST) {
        throw refused("create", "linkat", code, header.name);
      }
      const one = lstatAt(this.#tree.fd(target), base);
      const other = lstatAt(this.#tree.fd(parent), name);
      if (
        typeof one !== "number" && typeof other !== "number" &&
        one.ino === other.ino && one.dev === other.dev
      ) break;
      this.#remove(parent, name);
    }
    this.#wrote(parent, name);
  }

  /** Notes that a name is this layer's now, whatever the layer says elsewhere. */
  #wrote(parent: Dir, name: string): void {
    parent.write(name);
    if (parent.hidden?.delete(name)) {
      this.#options.marks.createdOver(this.#marksOf(parent), name);
    }
  }

  #remove(parent: Dir, name: string): void {
    const fd = this.#tree.fd(parent);
    removeAt(fd, name, join(parent, name));
    this.#tree.forget(parent, name);
    this.#lastPrefix = undefined;
  }

  #hide(parent: Dir, name: string): void {
    const dir = parent.children?.get(name);
    const fd = this.#tree.fd(parent);
    const mine = parent.fresh || parent.written?.has(name) ||
      (dir !== undefined && hasWritten(dir));
    if (mine) {
      const found = lstatAt(fd, name);
      if (typeof found !== "number") {
        // What this layer wrote stays, but what was below it goes.
        if (dir !== undefined && (found.mode & S_IFMT) === S_IFDIR) {
          this.#makeOpaque(dir);
          if (!dir.explicit) this.#reset(dir);
        }
        return;
      }
    } else {
      this.#remove(parent, name);
    }
    (parent.hidden ??= new Set()).add(name);
    // Where nothing is below, an overlay would list the mark itself.
    if (parent.opaque || !this.#isBelow(parent, name)) return;
    if (this.#options.marks.hide(this.#marksOf(parent), name)) {
      parent.write(name);
    }
  }

  /** Whether a layer below has the name, as far as is known. */
  #isBelow(parent: Dir, name: string): boolean {
    const { parents } = this.#options;
    return parents === undefined ||
      parents.find([...parent.path.split("/"), name]) !== undefined;
  }

  #makeOpaque(dir: Dir): void {
    if (dir.opaque) return;
    this.#clear(dir);
    this.#markOpaque(dir);
  }

  #markOpaque(dir: Dir): void {
    dir.opaque = true;
    this.#options.marks.makeOpaque(this.#marksOf(dir));
  }

  #marksOf(dir: Dir): OpenDir {
    return { fd: this.#tree.fd(dir), path: dir.path };
  }

  /** Takes back what a directory without an entry got from below. */
  #reset(dir: Dir): void {
    this.#dropXattrs(dir);
    this.#setDirectory(dir, 0o755, { uid: 0, gid: 0 }, undefined);
    dir.times = undefined;
  }

  /** Removes what this layer did not write. */
  #clear(dir: Dir): void {
    if (!dir.fresh) {
      const list = openChild(this.#tree.fd(dir), ".", O_DIRECTORY);
      if (list < 0) throw refused("open", "openat2", -list, dir.path);
      try {
        for (const { name } of listDir(list, dir.path)) {
          const child = dir.children?.get(name);
          const mine = dir.written?.has(name) ||
            (child !== undefined && hasWritten(child));
          if (!mine) this.#remove(dir, name);
        }
      } finally {
        layerSymbols().close(list);
      }
      dir.fresh = true;
      dir.written = undefined;
    }
    for (const name of dir.hidden ?? []) {
      this.#options.marks.unhide(this.#marksOf(dir), name);
    }
    for (const child of dir.children?.values() ?? []) {
      this.#clear(child);
      if (!child.explicit) this.#reset(child);
      // The mark above it hides the same.
      child.opaque = true;
    }
  }

  #owner(header: TarHeader): Owner | undefined {
    const { sameOwner, mapUid, mapGid } = this.#options;
    if (!sameOwner) return undefined;
    const { uid, gid, name } = header;
    if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID) {
      throw new LayerError(name, `its owner ${uid}:${gid} is out of range`);
    }
    const mapped = { uid: mapUid(uid), gid: mapGid(gid) };
    if (mapped.uid === undefined || mapped.gid === undefined) {
      throw new LayerError(name, `its owner ${uid}:${gid} is not mapped`);
    }
    return { uid: mapped.uid, gid: mapped.gid };
  }

  /** Whether the kernel gives a new file this owner by itself. */
  #isOwn(owner: Owner | undefined, parent: Dir): boolean {
    const { uid, gid } = this.#options;
    return owner === undefined ||
      (owner.uid === uid && owner.gid === (parent.inheritedGid ?? gid));
  }

  #setXattrs(
    xattrs: ReadonlyMap<string, Uint8Array> | undefined,
    path: string,
    plain: boolean,
    set: (key: string, value: Uint8Array<ArrayBuffer>) => number,
  ): void {
    for (const [key, value] of xattrs ?? []) {
      if (key.startsWith("trusted.") || key.startsWith("user.overlay.")) {
        this.#warn(path, `the attribute ${key} may not come from a layer`);
        continue;
      }
      const code = set(key, new Uint8Array(value));
      if (code === 0) continue;
      if (code === EOPNOTSUPP) {
        this.#warn(path, `the filesystem does not keep the attribute ${key}`);
      } else if (code === EPERM && !plain && key.startsWith("user.")) {
        this.#warn(
          path,
          `only files and directories keep the attribute ${key}`,
        );
      } else {
        throw refused(
          `set the attribute ${key} of`,
          "fsetxattr",
          code,
          path,
        );
      }
    }
  }
}

function join(parent: Dir, name: string): string {
  return parent.parent === undefined ? name : `${parent.path}/${name}`;
}

function hasWritten(dir: Dir): boolean {
  if (dir.fresh || dir.explicit || (dir.written?.size ?? 0) > 0) return true;
  return [...dir.children?.values() ?? []].some(hasWritten);
}

/** The parts of a path, cleaned as text: `..` takes back the part before it and never leaves the root. */
function clean(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

/** Times that the format or the kernel cannot mean become 1970; access is never before modification. */
function times(header: TarHeader) {
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

function timesOf(header: TarHeader): Uint32Array<ArrayBuffer> {
  const { atime, atimeNs, mtime, mtimeNs } = times(header);
  return timespecs(atime, atimeNs, mtime, mtimeNs);
}

/** `makedev(3)`. */
function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (high & 0xfffff000n) << 32n | (high & 0xfffn) << 8n |
    (low & 0xffffff00n) << 12n | low & 0xffn;
}
