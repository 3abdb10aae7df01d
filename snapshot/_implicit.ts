import {
  chmodAt,
  chownAt,
  FileType,
  setXattr,
  type Stat,
  statAt,
  SyscallError,
  utimesAt,
} from "@containerkit/libc";
import { type TarHeader, TypeFlag } from "@containerkit/tar";
import { parseWhiteout } from "@containerkit/tar/layer";
import { overlayMarks } from "./_layer_marks.ts";
import { ParentLayers } from "./_parent_layers.ts";

/**
 * The folders that a layer has no entry for, though it has something in them.
 * They look as they do in the layers below, which is known when the layer is put on them.
 */
export class ImplicitFolders {
  /** Those that something lies in. */
  readonly #needed = new Set<string>();
  /** Those that marks lie in. */
  readonly #marked = new Set<string>();
  readonly #folders = new Set<string>();
  readonly #others = new Set<string>();
  /** What the layer hides, with all in it. */
  readonly #hidden = new Set<string>();
  /** Folders of which the layer hides what is in them. */
  readonly #opaque = new Set<string>();

  /** Takes note of an entry. */
  see(header: TarHeader): void {
    const names = header.name.split("/")
      .filter((name) => name !== "" && name !== ".");
    const last = names.at(-1);
    if (last === undefined) {
      this.#folders.add("");
      return;
    }
    const above = names.slice(0, -1);
    const whiteout = parseWhiteout(last);
    const folders = whiteout === undefined ? this.#needed : this.#marked;
    for (let length = above.length; length >= 0; length--) {
      const folder = above.slice(0, length).join("/");
      if (folders.has(folder)) break;
      folders.add(folder);
    }
    if (whiteout?.kind === "hide") {
      this.#hidden.add([...above, whiteout.name].join("/"));
    } else if (whiteout?.kind === "opaque") {
      this.#opaque.add(above.join("/"));
    } else if (whiteout === undefined) {
      const isFolder = header.typeflag === TypeFlag.DIRECTORY;
      (isFolder ? this.#folders : this.#others).add(names.join("/"));
    }
  }

  #isCutOff(names: readonly string[]): boolean {
    return names.some((_, index) => {
      const above = names.slice(0, index).join("/");
      return this.#opaque.has(above) ||
        this.#hidden.has(names.slice(0, index + 1).join("/"));
    });
  }

  /** Makes the root look as in the layer below, if the layer does not say how it looks. */
  adoptRoot(dir: string, nearest: string): void {
    if (!this.#folders.has("")) dress(dir, statAt(undefined, nearest));
  }

  /**
   * Makes them look as in the layers below.
   *
   * @param dir The folder of the layer.
   * @param parents The folders of the layers below, the nearest first.
   * @returns A path that is a link below, where the layer's files would hide it; it must be applied on its parent then.
   */
  adopt(dir: string, parents: readonly string[]): string | undefined {
    const [nearest] = parents;
    if (nearest !== undefined) this.adoptRoot(dir, nearest);
    // Those above come first, so that a link is met before what lies behind it.
    // Where nothing is below, there is nothing to look like.
    const folders = nearest === undefined
      ? []
      : [...this.#needed.union(this.#marked)]
        .filter((path) => path !== "" && !this.#folders.has(path)).sort();
    if (folders.length === 0 && this.#marked.size === 0) return;
    using below = new ParentLayers(parents, overlayMarks(false));
    for (const path of folders) {
      // Through a link of the layer itself, or with a name that is no text: applying it again is the safe way.
      if (this.#others.has(path) || !path.isWellFormed()) return path;
      const names = path.split("/");
      const found = this.#isCutOff(names) ? undefined : below.find(names);
      if (found?.kind === "link") return path;
      if (found?.kind !== "dir" || lookAt(`${dir}/${path}`) === undefined) {
        continue;
      }
      for (const [name, value] of found.xattrs) {
        setXattr(`${dir}/${path}`, name, new Uint8Array(value));
      }
      const { mtime, mtimeNs, ...owner } = found.stat;
      dress(`${dir}/${path}`, {
        ...owner,
        mtime: BigInt(mtime) * 1_000_000_000n + BigInt(mtimeNs),
      });
    }
    for (const path of this.#hidden) this.#dropMark(dir, path, below);
    for (const path of this.#marked) this.#dropHolder(dir, path, below);
    return undefined;
  }

  /** Marks make nothing: a folder that holds nothing else goes where none is below. */
  #dropHolder(dir: string, path: string, below: ParentLayers): void {
    if (path === "" || this.#needed.has(path) || this.#isUnsure(path)) return;
    if (below.find(path.split("/"))?.kind === "dir") return;
    // It may be a mark by now.
    const found = lookAt(`${dir}/${path}`);
    if (found !== undefined && isFolder(found)) remove(`${dir}/${path}`);
  }

  /** Whether it is the layer's own, or may lie elsewhere than its name says. */
  #isUnsure(path: string): boolean {
    if (this.#folders.has(path) || !path.isWellFormed()) return true;
    const names = path.split("/");
    return names.some((_, index) =>
      this.#others.has(names.slice(0, index + 1).join("/"))
    );
  }

  /** Where nothing is below, the mark that hides it would be seen itself. */
  #dropMark(dir: string, path: string, below: ParentLayers): void {
    if (this.#isUnsure(path) || below.find(path.split("/")) !== undefined) {
      return;
    }
    // It may be gone: one above it hides the same.
    const found = lookAt(`${dir}/${path}`);
    if (found !== undefined && isMark(found)) remove(`${dir}/${path}`);
  }
}

/** Owner, mode and time of a folder; the time in nanoseconds. */
interface Look {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly mtime: bigint;
}

function dress(path: string, { uid, gid, mode, mtime }: Look): void {
  chownAt(undefined, path, { uid, gid });
  chmodAt(undefined, path, mode & 0o7777);
  utimesAt(undefined, path, { mtime });
}

function lookAt(path: string): Stat | undefined {
  try {
    return statAt(undefined, path);
  } catch (error) {
    // A part of the path may be a file, or a mark.
    const isAbsent = error instanceof SyscallError &&
      (error.code === "ENOENT" || error.code === "ENOTDIR");
    if (isAbsent) return undefined;
    throw error;
  }
}

function isFolder({ mode }: Stat): boolean {
  return (mode & FileType.MASK) === FileType.DIRECTORY;
}

/** Whether it is a mark by which overlay hides. */
function isMark({ mode, deviceMajor, deviceMinor }: Stat): boolean {
  return (mode & FileType.MASK) === FileType.CHAR && deviceMajor === 0 &&
    deviceMinor === 0;
}

/** Removes what may be gone already; the folder that it is in stays as old as it was. */
function remove(path: string): void {
  if (lookAt(path) === undefined) return;
  const folder = path.slice(0, path.lastIndexOf("/"));
  const { mtime } = statAt(undefined, folder);
  Deno.removeSync(path, { recursive: true });
  utimesAt(undefined, folder, { mtime });
}
