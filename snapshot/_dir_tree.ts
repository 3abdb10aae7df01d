/** The directories of a target that a layer touches, each by where it truly is. */
import {
  ELOOP,
  ENOENT,
  lstatAt,
  O_DIRECTORY,
  openChild,
  procPath,
  readLinkAt,
  refused,
  type Stat,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { joined } from "./_walk_dir.ts";
import { getXattr, removeXattr } from "./_xattrs.ts";
import { LayerError } from "./layer_error.ts";

/** How many directories are held open at once. */
const MAX_OPEN = 256;
const MAX_LINKS = 40;
/** Links make paths lead on, so that a small layer could make a tree of any depth, which many a program cannot walk. */
const MAX_DEPTH = 1024;

/** Times to set on a directory when nothing more is written into it. */
export interface DirTimes {
  readonly atime: number;
  readonly atimeNs: number;
  readonly mtime: number;
  readonly mtimeNs: number;
}

/** A directory, reached without links. */
export class Dir {
  readonly parent: Dir | undefined;
  readonly name: string;
  /** How many are above it. */
  readonly depth: number;
  fd = -1;
  /** Made for an entry of this layer, so that all in it but marks is the layer's. */
  made: boolean;
  /** Made for nothing but marks. */
  isHolder = false;
  /** Nothing in it is from elsewhere. */
  fresh: boolean;
  /** The layer has an entry for it. */
  explicit = false;
  /** Hides what lower layers have below it. */
  opaque = false;
  /** The layer has a mark in it that says so, and not only one elsewhere. */
  marked = false;
  /** New files get this group, if the directory says so. */
  inheritedGid: number | undefined;
  /** What is set when all is done. */
  times: DirTimes | undefined;
  /** A rule for new files that was taken off while the layer's are made, and is set again at the end. */
  defaultAcl: Uint8Array | undefined;
  /** Removed; nothing of it counts any more. */
  dead = false;
  children: Map<string, Dir> | undefined;
  /** Names this layer wrote, in a directory that it did not make. */
  written: Set<string> | undefined;
  /** Names that were copied from the layers below, for this layer links to them. */
  copied: Set<string> | undefined;
  /** Names this layer hides. */
  hidden: Set<string> | undefined;

  constructor(parent: Dir | undefined, name: string, made: boolean) {
    this.parent = parent;
    this.name = name;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
    this.made = made;
    this.fresh = made;
  }

  /** The path from the root, for messages and for other layers. */
  get path(): string {
    if (this.parent === undefined) return "";
    return joined(this.parent.path, this.name);
  }

  /** Notes what the kernel says about it. */
  note(stat: Stat): void {
    this.inheritedGid = stat.mode & 0o2000 ? stat.gid : undefined;
  }

  /** Notes that a name was written. */
  write(name: string): void {
    this.copied?.delete(name);
    if (!this.made) (this.written ??= new Set()).add(name);
  }

  /** Whether a name in it, if it is there, is the layer's, marks apart. */
  wrote(name: string): boolean {
    return !this.copied?.has(name) &&
      (this.made || this.written?.has(name) === true);
  }

  /** Whether the layer has something here, marks apart. */
  get hasOwn(): boolean {
    if (this.made || this.explicit || (this.written?.size ?? 0) > 0) {
      return true;
    }
    return this.children?.values().some((child) => child.hasOwn) ?? false;
  }
}

function checkDepth(parent: Dir): void {
  if (parent.depth < MAX_DEPTH) return;
  throw new LayerError(
    parent.path,
    `a directory in it would be more than ${MAX_DEPTH} deep`,
  );
}

/** What happens when a part of a path is missing: makes it, or stops. */
export type MissingHandler = (
  parent: Dir,
  name: string,
) => Dir | { readonly link: string } | undefined;

/** The name of the rule that gives new files more than their mode says. */
export const DEFAULT_ACL = "system.posix_acl_default";

/** Takes the rule off an open directory: what a layer brings has only what the layer says. */
export function suspendDefaultAcl(dir: Dir): void {
  const path = procPath(dir.fd);
  dir.defaultAcl = getXattr(path, DEFAULT_ACL, dir.path);
  if (dir.defaultAcl !== undefined) removeXattr(path, DEFAULT_ACL, dir.path);
}

/** A bounded cache of open directories below one root. */
export class DirTree implements Disposable {
  readonly root: Dir;
  /** How many links were followed so far. */
  links = 0;
  /** Removed directories in which the layer hid something: their names may come to lead elsewhere. */
  readonly lost: Dir[] = [];
  /** In the order of their last use. */
  readonly #open = new Set<Dir>();
  #last: Dir | undefined;

  /** Takes ownership of the descriptor of the root. */
  constructor(fd: number) {
    this.root = new Dir(undefined, "", false);
    this.root.fd = fd;
  }

  /** A descriptor of the directory; stays open at least until some hundred others were asked for. */
  fd(dir: Dir): number {
    if (dir === this.#last && dir.fd >= 0) return dir.fd;
    if (dir.parent === undefined) return dir.fd;
    if (dir.fd < 0) this.#keep(dir, this.#reopen(dir));
    else {
      this.#open.delete(dir);
      this.#open.add(dir);
      this.#last = dir;
    }
    return dir.fd;
  }

  /** Keeps none of those above it open: there may be more than may be open at once. */
  #reopen(dir: Dir): number {
    const names = [];
    let from = dir;
    for (; from.fd < 0 && from.parent !== undefined; from = from.parent) {
      names.push(from.name);
    }
    let fd = from.fd;
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const next = openChild(fd, name, O_DIRECTORY);
      if (fd !== from.fd) layerSymbols().close(fd);
      if (next < 0) throw refused("open", "openat2", -next, dir.path);
      fd = next;
    }
    return fd;
  }

  #keep(dir: Dir, fd: number): void {
    if (this.#open.size >= MAX_OPEN) {
      for (const oldest of this.#open) {
        this.#close(oldest);
        break;
      }
    }
    dir.fd = fd;
    this.#open.add(dir);
    this.#last = dir;
  }

  #close(dir: Dir): void {
    this.#open.delete(dir);
    layerSymbols().close(dir.fd);
    dir.fd = -1;
  }

  /** Adds a directory that is there. */
  add(parent: Dir, name: string, made: boolean): Dir {
    checkDepth(parent);
    const dir = new Dir(parent, name, made);
    (parent.children ??= new Map()).set(name, dir);
    return dir;
  }

  /**
   * Opens a directory that is there.
   *
   * @returns The directory, or the error number, negative: `ELOOP` is a link.
   */
  open(parent: Dir, name: string): Dir | number {
    const fd = openChild(this.fd(parent), name, O_DIRECTORY);
    if (fd < 0) return fd;
    // It is refused below.
    if (parent.depth >= MAX_DEPTH) layerSymbols().close(fd);
    const dir = this.add(parent, name, false);
    this.#keep(dir, fd);
    const stat = lstatAt(fd, "");
    if (typeof stat === "number") {
      throw refused("open", "statx", -stat, dir.path);
    }
    dir.note(stat);
    // Writing into it must not change its times: in an overlay it would not.
    dir.times = stat;
    suspendDefaultAcl(dir);
    return dir;
  }

  /** Forgets a directory that was removed, and all below it. */
  forget(parent: Dir, name: string): void {
    const dir = parent.children?.get(name);
    if (dir === undefined) return;
    parent.children!.delete(name);
    const stack = [dir];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      at.dead = true;
      if (at.marked || at.hidden !== undefined) this.lost.push(at);
      if (at.fd >= 0) this.#close(at);
      for (const child of at.children?.values() ?? []) stack.push(child);
    }
    this.#last = undefined;
  }

  /**
   * Walks to a directory. Links are followed as if the root were `/`; `..` goes to where one truly came from, never above the root.
   *
   * @param names The parts of the path.
   * @param missing Makes what is missing.
   * @param path The path of the entry, for errors.
   * @param follow Whether links are followed.
   * @returns The directory, or `undefined` if a part is missing and was not made, or is a link that is not followed.
   */
  walk(
    names: readonly string[],
    missing: MissingHandler,
    path: string,
    follow = true,
  ): Dir | undefined {
    let at = this.root;
    let links = 0;
    // The next part is the last of the list.
    const rest = names.toReversed();
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at = at.parent ?? at;
        continue;
      }
      const known = at.children?.get(name);
      if (known !== undefined) {
        at = known;
        continue;
      }
      let found: ReturnType<MissingHandler> | number = this.open(at, name);
      if (found === -ENOENT) found = missing(at, name);
      else if (found === -ELOOP) {
        const link = readLinkAt(this.fd(at), name);
        if (typeof link === "number") {
          throw refused("read the link", "readlinkat", -link, path);
        }
        found = { link };
      }
      if (found === undefined) return undefined;
      if (typeof found === "number") {
        const made = missing(at, name);
        if (!(made instanceof Dir)) {
          throw refused("open", "openat2", -found, `${at.path}/${name}`);
        }
        found = made;
      }
      if (found instanceof Dir) {
        at = found;
        continue;
      }
      if (!follow) return undefined;
      this.links++;
      if (++links > MAX_LINKS) {
        throw new LayerError(path, "it goes through too many links");
      }
      if (found.link.startsWith("/")) at = this.root;
      rest.push(...found.link.split("/").reverse());
    }
    return at;
  }

  /** Closes all. */
  [Symbol.dispose](): void {
    for (const dir of this.#open) layerSymbols().close(dir.fd);
    this.#open.clear();
    layerSymbols().close(this.root.fd);
  }
}
