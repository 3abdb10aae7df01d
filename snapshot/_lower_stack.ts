/** What an overlay shows of the layers below its upper directory, without mounting it. */
import { isOverlayWhiteout } from "./_layer_marks.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import {
  ENOENT,
  ENOTDIR,
  lstatAt,
  procPath,
  refused,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  type Stat,
} from "./_files.ts";
import { openRoot } from "./_parent_layers.ts";
import { joined, openPath } from "./_walk_dir.ts";
import { getXattr } from "./_xattrs.ts";
import { DiffError } from "./diff_error.ts";

const decoder = new TextDecoder();

/** How many directories are held open at once. */
const MAX_OPEN = 128;

/** A directory of one layer. */
export interface LayerDir {
  /** The number of its layer. */
  readonly layer: number;
  /** Its path from the root of the layer, which has none. */
  readonly path: string;
}

/** Directories that are shown as one, the topmost first. */
export type LowerDir = readonly LayerDir[];

/** A name in a directory of a layer. */
export interface LowerPlace {
  readonly at: LayerDir;
  readonly name: string;
}

/** Something that is shown. */
export interface LowerEntry extends LowerPlace {
  readonly stat: Stat;
  /** Of a directory, all that is shown as one. */
  readonly dir: LowerDir | undefined;
  /** Where the content of a file lies, if not there. */
  readonly data: LowerPlace | undefined;
}

/** Layers below an overlay, of which the directories last looked at are open. */
export class LowerStack implements Disposable {
  /** The root of each layer, the nearest first. */
  readonly root: LowerDir;
  readonly #paths: readonly string[];
  readonly #prefix: string;
  /** The one used last is the last. */
  readonly #open = new Map<LayerDir, number>();

  /**
   * @param paths The layers, the nearest first.
   * @param prefix What the names of the overlay's own attributes begin with.
   */
  constructor(paths: readonly string[], prefix: string) {
    this.root = paths.map((_, layer) => ({ layer, path: "" }));
    this.#paths = paths;
    this.#prefix = prefix;
  }

  /**
   * The descriptor of a directory, until others have been asked for.
   *
   * @param path The path in the layer that is made, for errors.
   */
  fd(dir: LayerDir, path: string): number {
    let fd = this.#open.get(dir);
    if (fd === undefined) {
      const root = this.root[dir.layer]!;
      fd = dir === root
        ? openRoot(this.#paths[dir.layer]!)
        : openPath(this.fd(root, path), dir.path.split("/"), path);
    }
    // Used last.
    this.#open.delete(dir);
    this.#open.set(dir, fd);
    for (const [far, fd] of this.#open) {
      if (this.#open.size <= MAX_OPEN) break;
      layerSymbols().close(fd);
      this.#open.delete(far);
    }
    return fd;
  }

  /** The value of one of the overlay's own attributes. */
  attribute(file: string, name: string, path: string): string | undefined {
    const value = getXattr(file, `${this.#prefix}${name}`, path);
    return value && decoder.decode(value);
  }

  /** Whether it is the mark of a hidden name; `isMarking` says that the directory may hold marks that are plain files. */
  isWhiteout(
    file: string,
    stat: Stat,
    { isMarking, path }: { isMarking: boolean; path: string },
  ): boolean {
    return isOverlayWhiteout(stat) ||
      (isMarking && stat.size === 0 && (stat.mode & S_IFMT) === S_IFREG &&
        this.attribute(file, "whiteout", path) !== undefined);
  }

  /**
   * What is shown at a name, or `undefined`.
   *
   * @param path Its path in the layer that is made, for errors.
   */
  lookup(dirs: LowerDir, name: string, path: string): LowerEntry | undefined {
    const found: LayerDir[] = [];
    let first: (LowerPlace & { readonly stat: Stat }) | undefined;
    let data: LowerEntry["data"];
    let isPart = false;
    let [rest, at] = [dirs, name];
    for (let index = 0; index < rest.length; index++) {
      const dir = rest[index]!;
      const fd = this.fd(dir, path);
      const stat = lstatAt(fd, at);
      if (stat === -ENOENT || stat === -ENOTDIR) continue;
      if (typeof stat === "number") {
        throw refused("look at", "statx", -stat, path);
      }
      const file = procPath(fd, at);
      const isMarking = this.attribute(procPath(fd), "opaque", path) === "x";
      if (this.isWhiteout(file, stat, { isMarking, path })) break;
      const isDirectory = (stat.mode & S_IFMT) === S_IFDIR;
      // A file below a directory is not shown.
      if (first !== undefined && isDirectory !== found.length > 0) break;
      first ??= { at: dir, name: at, stat };
      if (!isDirectory) {
        if (first.at !== dir || first.name !== at) data = { at: dir, name: at };
        isPart = this.attribute(file, "metacopy", path) !== undefined;
        if (!isPart) break;
      } else {
        found.push({ layer: dir.layer, path: joined(dir.path, at) });
        if (this.attribute(file, "opaque", path) === "y") break;
      }
      const redirect = this.attribute(file, "redirect", path);
      if (redirect === undefined) continue;
      const below = { siblings: rest.slice(index + 1), layer: dir.layer };
      const next = this.follow(redirect, below, path);
      if (next === undefined) break;
      [rest, at] = [next.dirs, next.name];
      index = -1;
    }
    if (isPart) throw new DiffError(path, "its data is in no layer below");
    return first &&
      { ...first, dir: found.length > 0 ? found : undefined, data };
  }

  /**
   * Where a redirect leads: a name in the same directory, or a path from the root.
   *
   * @param below The directories of a plain name, and the layer that has the redirect: a path is one of the layers below it.
   * @param path The path in the layer that is made, for errors.
   */
  follow(
    redirect: string,
    { siblings, layer }: { siblings: LowerDir; layer: number },
    path: string,
  ): { dirs: LowerDir; name: string } | undefined {
    if (!redirect.startsWith("/")) return { dirs: siblings, name: redirect };
    const names = redirect.split("/").filter((name) => name !== "");
    const name = names.pop();
    if (name === undefined) return undefined;
    let dirs: LowerDir = this.root.slice(layer + 1);
    for (const part of names) {
      const found = this.lookup(dirs, part, path);
      if (found?.dir === undefined) return undefined;
      dirs = found.dir;
    }
    return { dirs, name };
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) layerSymbols().close(fd);
    this.#open.clear();
  }
}
