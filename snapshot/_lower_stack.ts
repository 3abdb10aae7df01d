/** What an overlay shows of the layers below its upper directory, without mounting it. */
import { isOverlayWhiteout } from "./_layer_marks.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import {
  ENOENT,
  ENOTDIR,
  lstatAt,
  O_DIRECTORY,
  openChild,
  procPath,
  refused,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  type Stat,
} from "./_files.ts";
import { openRoot } from "./_parent_layers.ts";
import { getXattr } from "./_xattrs.ts";
import { DiffError } from "./diff_error.ts";

const decoder = new TextDecoder();

/** A directory of one layer, and the number of its layer. */
interface LayerDir {
  readonly fd: number;
  readonly layer: number;
}

/** Directories that are shown as one, the topmost first. */
export type LowerDir = readonly LayerDir[];

/** Something that is shown. */
export interface LowerEntry {
  /** Where it lies. */
  readonly dirfd: number;
  readonly name: string;
  readonly stat: Stat;
  /** Of a directory, all that is shown as one. */
  readonly dir: LowerDir | undefined;
  /** Where the content of a file lies, if not there. */
  readonly data: { readonly dirfd: number; readonly name: string } | undefined;
}

/** What a look is for, and where it notes what it opens. */
export interface Look {
  /** The path in the layer, for errors. */
  readonly path: string;
  /** Gets the descriptors of directories that were found; to be closed by the caller. */
  readonly fds: number[];
}

/** Layers below an overlay, opened when one is first looked at. */
export class LowerStack implements Disposable {
  readonly #fds: number[] = [];
  readonly #paths: readonly string[];
  readonly #prefix: string;

  /**
   * @param paths The layers, the nearest first.
   * @param prefix What the names of the overlay's own attributes begin with.
   */
  constructor(paths: readonly string[], prefix: string) {
    this.#paths = paths;
    this.#prefix = prefix;
  }

  /** The roots of all layers. */
  get root(): LowerDir {
    for (const path of this.#paths.slice(this.#fds.length)) {
      this.#fds.push(openRoot(path));
    }
    return this.#fds.map((fd, layer) => ({ fd, layer }));
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

  /** What is shown at a name, or `undefined`. */
  lookup(dirs: LowerDir, name: string, look: Look): LowerEntry | undefined {
    const { path, fds } = look;
    const found: LayerDir[] = [];
    let first: { dirfd: number; name: string; stat: Stat } | undefined;
    let data: LowerEntry["data"];
    let isPart = false;
    let [rest, at] = [dirs, name];
    for (let index = 0; index < rest.length; index++) {
      const { fd, layer } = rest[index]!;
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
      first ??= { dirfd: fd, name: at, stat };
      if (!isDirectory) {
        if (first.dirfd !== fd || first.name !== at) {
          data = { dirfd: fd, name: at };
        }
        isPart = this.attribute(file, "metacopy", path) !== undefined;
        if (!isPart) break;
      } else {
        const child = openChild(fd, at, O_DIRECTORY);
        if (child < 0) throw refused("open", "openat2", -child, path);
        fds.push(child);
        found.push({ fd: child, layer });
        if (this.attribute(procPath(child), "opaque", path) === "y") break;
      }
      const redirect = this.attribute(file, "redirect", path);
      if (redirect === undefined) continue;
      const next = this.follow(redirect, rest.slice(index + 1), {
        below: layer,
        look,
      });
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
   * @param siblings The directories of a plain name.
   * @param options The layer that has the redirect: a path is one of the layers below it.
   */
  follow(
    redirect: string,
    siblings: LowerDir,
    { below, look }: { below: number; look: Look },
  ): { dirs: LowerDir; name: string } | undefined {
    if (!redirect.startsWith("/")) return { dirs: siblings, name: redirect };
    const names = redirect.split("/").filter((name) => name !== "");
    const name = names.pop();
    if (name === undefined) return undefined;
    let dirs: LowerDir = this.root.filter(({ layer }) => layer > below);
    for (const part of names) {
      const found = this.lookup(dirs, part, look);
      if (found?.dir === undefined) return undefined;
      dirs = found.dir;
    }
    return { dirs, name };
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.splice(0)) layerSymbols().close(fd);
  }
}
