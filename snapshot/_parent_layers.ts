/** What the layers below say about a path that a layer has no entry for. */
import { errno } from "@containerkit/libc";
import {
  CName,
  listDir,
  lstatAt,
  O_CLOEXEC,
  O_DIRECTORY,
  openChild,
  procPath,
  readLinkAt,
  refused,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  type Stat,
} from "./_files.ts";
import type { LayerMarks } from "./_layer_marks.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { closing, openPath } from "./_walk_dir.ts";
import { getXattr, listXattrs } from "./_xattrs.ts";

const AT_FDCWD = -100;

/** What is at a path below this layer. */
export type Below =
  | {
    readonly kind: "dir";
    readonly stat: Stat;
    readonly xattrs: ReadonlyMap<string, Uint8Array>;
  }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other"; readonly stat: Stat };

/** Opens a directory that the caller named. */
export function openRoot(path: string): number {
  const bytes = new CName().set(path);
  const fd = layerSymbols().openat(
    AT_FDCWD,
    bytes,
    O_DIRECTORY | O_CLOEXEC,
    0,
  );
  if (fd < 0) throw refused("open", "openat", errno(), path);
  return fd;
}

/** Attributes that belong to a file, not to the overlay it lies in. */
export function readXattrs(
  path: string,
  shown: string,
): Map<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const key of listXattrs(path, shown)) {
    if (key.startsWith("trusted.") || key.startsWith("user.overlay.")) continue;
    const value = getXattr(path, key, shown);
    if (value !== undefined) xattrs.set(key, value);
  }
  return xattrs;
}

/** The directories of the layers below, the nearest first. */
export class ParentLayers implements Disposable {
  readonly #roots: number[] = [];
  readonly #marks: LayerMarks;

  constructor(paths: readonly string[], marks: LayerMarks) {
    this.#marks = marks;
    try {
      for (const path of paths) this.#roots.push(openRoot(path));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** What the layers together have at a path, given by its parts; links are not followed. */
  find(names: readonly string[]): Below | undefined {
    const parts = names.filter((name) => name !== "");
    for (const root of this.#roots) {
      const found = this.#look(root, parts);
      if (found === "hidden") return undefined;
      if (found !== "next") return found;
    }
    return undefined;
  }

  /** The same, kept open; `undefined` if nothing is there. */
  open(names: readonly string[]):
    | { dirfd: number; name: string; stat: Stat } & Disposable
    | undefined {
    const parts = names.filter((name) => name !== "");
    const name = parts.at(-1);
    if (name === undefined) return undefined;
    for (const root of this.#roots) {
      const found = this.#look(root, parts);
      if (found === "next") continue;
      if (found === "hidden" || found === undefined) return undefined;
      const dirfd = openPath(root, parts.slice(0, -1), parts.join("/"));
      const stat = lstatAt(dirfd, name);
      const close = () => void layerSymbols().close(dirfd);
      if (typeof stat === "number") {
        close();
        throw refused("look at", "statx", -stat, name);
      }
      return { dirfd, name, stat, [Symbol.dispose]: close };
    }
    return undefined;
  }

  /** The names that the layers together have in their root. */
  names(): Set<string> {
    const names = new Set<string>();
    for (const root of this.#roots) {
      const fd = openPath(root, [], "");
      using _list = closing(fd);
      for (const { name } of listDir(fd, "")) {
        if (!names.has(name) && this.find([name]) !== undefined) {
          names.add(name);
        }
      }
    }
    return names;
  }

  #look(root: number, names: readonly string[]): Below | "hidden" | "next" {
    let fd = root;
    let opaque = false;
    try {
      for (const [index, name] of names.entries()) {
        const dir = { fd, path: name };
        opaque ||= this.#marks.isOpaque(dir);
        const stat = lstatAt(fd, name);
        if (typeof stat === "number") {
          return opaque || this.#marks.hides(dir, name) ? "hidden" : "next";
        }
        const kind = stat.mode & S_IFMT;
        if (index === names.length - 1) return this.#describe(dir, name, stat);
        if (kind !== S_IFDIR) return "hidden";
        const next = openChild(fd, name, O_DIRECTORY);
        if (next < 0) throw refused("open", "openat2", -next, name);
        if (fd !== root) layerSymbols().close(fd);
        fd = next;
      }
      return "hidden";
    } finally {
      if (fd !== root) layerSymbols().close(fd);
    }
  }

  #describe(
    { fd }: { fd: number },
    name: string,
    stat: Stat,
  ): Below | "hidden" {
    if (this.#marks.isMark(stat)) return "hidden";
    const kind = stat.mode & S_IFMT;
    if (kind === S_IFDIR) {
      return {
        kind: "dir",
        stat,
        xattrs: readXattrs(procPath(fd, name), name),
      };
    }
    if (kind !== S_IFLNK) return { kind: "other", stat };
    const target = readLinkAt(fd, name);
    return typeof target === "number" ? "hidden" : { kind: "link", target };
  }

  [Symbol.dispose](): void {
    for (const fd of this.#roots) layerSymbols().close(fd);
    this.#roots.length = 0;
  }
}
