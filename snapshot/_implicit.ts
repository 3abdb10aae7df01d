import {
  chmodAt,
  chownAt,
  type Fd,
  FileType,
  openAt,
  openAt2,
  OpenFlag,
  Resolve,
  setXattr,
  type Stat,
  statAt,
  SyscallError,
  utimesAt,
} from "@containerkit/libc";
import type { IdMap } from "@containerkit/mount";
import { type TarHeader, TypeFlag } from "@containerkit/tar";
import { parseWhiteout } from "@containerkit/tar/layer";
import { writeFileAtomic } from "@containerkit/state";
import { cleanPath } from "./_clean_path.ts";
import { mapOwner } from "./_map_owner.ts";
import { overlayMarks } from "./_layer_marks.ts";
import { ParentLayers } from "./_parent_layers.ts";
import { removeTree } from "./_remove_tree.ts";

/** What is kept beside a layer until it is committed, by whatever process. */
type ImplicitRecord = Readonly<
  Record<
    "needed" | "marked" | "folders" | "others" | "hidden" | "opaque",
    readonly string[]
  >
>;

const recordOf = (dir: string) => `${dir}/implicit.json`;

/** Keeps them beside a layer, in the place of those before. They are no more durable than what was applied. */
export function keepImplicit(dir: string, implicit: ImplicitFolders): void {
  writeFileAtomic(recordOf(dir), JSON.stringify(implicit), { durable: false });
}

/** Those that are kept beside a layer. */
export function readImplicit(dir: string): ImplicitFolders | undefined {
  try {
    return new ImplicitFolders(
      JSON.parse(Deno.readTextFileSync(recordOf(dir))),
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Removes what was kept. */
export function forgetImplicit(dir: string): void {
  try {
    Deno.removeSync(recordOf(dir));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The folders that a layer has no entry for, though it has something in them.
 * They look as they do in the layers below, which is known when the layer is put on them.
 */
export class ImplicitFolders {
  /** Those that something lies in. */
  readonly #needed: Set<string>;
  /** Those that marks lie in. */
  readonly #marked: Set<string>;
  readonly #folders: Set<string>;
  readonly #others: Set<string>;
  /** What the layer hides, with all in it. */
  readonly #hidden: Set<string>;
  /** Folders of which the layer hides what is in them. */
  readonly #opaque: Set<string>;

  constructor(kept: Partial<ImplicitRecord> = {}) {
    this.#needed = new Set(kept.needed);
    this.#marked = new Set(kept.marked);
    this.#folders = new Set(kept.folders);
    this.#others = new Set(kept.others);
    this.#hidden = new Set(kept.hidden);
    this.#opaque = new Set(kept.opaque);
  }

  /** What `adopt` needs, which is less than all that was seen. */
  toJSON(): ImplicitRecord {
    const asked = this.#needed.union(this.#marked).union(this.#hidden).add("");
    return {
      needed: [...this.#needed],
      marked: [...this.#marked],
      folders: [...this.#folders.intersection(asked)],
      others: [...this.#others.intersection(asked)],
      hidden: [...this.#hidden],
      opaque: [...this.#opaque],
    };
  }

  /** Takes note of an entry. */
  see(header: TarHeader): void {
    const names = cleanPath(header.name);
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

  /** Makes the root look as in the layer below, seen through an id map if there is one, if the layer does not say how it looks. */
  adoptRoot(dir: string, nearest: string, idmap?: IdMap): void {
    using root = openAt(undefined, dir, OpenFlag.DIRECTORY);
    this.#adoptRoot(root, nearest, idmap);
  }

  #adoptRoot(root: Fd, nearest: string, idmap?: IdMap): void {
    if (this.#folders.has("")) return;
    const stat = statAt(undefined, nearest);
    dress(root, { ...stat, ...mapOwner(stat, idmap) });
  }

  /**
   * Makes them look as in the layers below.
   *
   * @param dir The folder of the layer.
   * @param parents The folders of the layers below, the nearest first.
   * @returns A path that is a link below, where the layer's files would hide it; it must be applied on its parent then.
   */
  adopt(dir: string, parents: readonly string[]): string | undefined {
    using root = openAt(undefined, dir, OpenFlag.DIRECTORY);
    const [nearest] = parents;
    if (nearest !== undefined) this.#adoptRoot(root, nearest);
    // Where nothing is below, there is nothing to look like.
    const all = nearest === undefined
      ? []
      : [...this.#needed.union(this.#marked)].filter((path) => path !== "");
    // Through a link of the layer itself, also where it has a folder of that name: applying it again is the safe way.
    const link = all.find((path) => this.#others.has(path));
    if (link !== undefined) return link;
    // Those above come first, so that a link is met before what lies behind it.
    const folders = all.filter((path) => !this.#folders.has(path)).sort();
    if (folders.length === 0 && this.#marked.size === 0) return;
    using below = new ParentLayers(parents, overlayMarks(false));
    for (const path of folders) {
      // The same for a name that is no text.
      if (!path.isWellFormed()) return path;
      const names = path.split("/");
      const found = this.#isCutOff(names) ? undefined : below.find(names);
      if (found?.kind === "link") return path;
      if (found?.kind !== "dir") continue;
      using folder = openFolder(root, path);
      if (folder === undefined) continue;
      for (const [name, value] of found.xattrs) {
        setXattr(folder, name, new Uint8Array(value));
      }
      const { mtime, mtimeNs, ...owner } = found.stat;
      dress(folder, {
        ...owner,
        mtime: BigInt(mtime) * 1_000_000_000n + BigInt(mtimeNs),
      });
    }
    for (const path of this.#hidden) this.#dropMark(root, path, below);
    for (const path of this.#marked) this.#dropHolder(root, path, below);
    return undefined;
  }

  /** Marks make nothing: a folder that holds nothing else goes where none is below. */
  #dropHolder(root: Fd, path: string, below: ParentLayers): void {
    if (path === "" || this.#needed.has(path) || this.#isUnsure(path)) return;
    // It may be a mark by now.
    if (below.find(path.split("/"))?.kind !== "dir") {
      removeIf(root, path, isFolder);
    }
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
  #dropMark(root: Fd, path: string, below: ParentLayers): void {
    if (this.#isUnsure(path) || below.find(path.split("/")) !== undefined) {
      return;
    }
    // It may be gone: one above it hides the same.
    removeIf(root, path, isMark);
  }
}

/** Owner, mode and time of a folder; the time in nanoseconds. */
interface Look {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly mtime: bigint;
}

function dress(folder: Fd, { uid, gid, mode, mtime }: Look): void {
  chownAt(folder, "", { uid, gid });
  chmodAt(folder, ".", mode & 0o7777);
  utimesAt(folder, ".", { mtime });
}

/** What stands for nothing at a path: a part of it may be a file, a mark, or a link that leads anywhere. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP"];

/** The paths are the layer's own words: no link is followed. */
function openFolder(root: Fd, path: string): Fd | undefined {
  try {
    return openAt2(root, path, {
      flags: OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW,
      resolve: Resolve.BENEATH | Resolve.NO_SYMLINKS,
    });
  } catch (error) {
    if (error instanceof SyscallError && ABSENT.includes(error.code)) {
      return undefined;
    }
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

/** Removes what may be gone already, if it is what it should be; the folder that it is in stays as old as it was. */
function removeIf(
  root: Fd,
  path: string,
  isIt: (stat: Stat) => boolean,
): void {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  using folder = openFolder(root, path.slice(0, Math.max(slash, 0)) || ".");
  const found = folder && lookAt(folder, name);
  if (folder === undefined || found === undefined || !isIt(found)) return;
  const { mtime } = statAt(folder, "");
  for (const _ of removeTree(folder.number, name, path));
  utimesAt(folder, ".", { mtime });
}

function lookAt(folder: Fd, name: string): Stat | undefined {
  try {
    return statAt(folder, name);
  } catch (error) {
    if (error instanceof SyscallError && ABSENT.includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}
