import type { IdMap } from "@containerkit/mount";
import { writeFileAtomic } from "@containerkit/state";
import { type TarHeader, TypeFlag } from "@containerkit/tar";
import { cleanPath, parseWhiteout } from "@containerkit/tar/layer";
import { adoptFolders, dressFolder, type Look } from "./_adoption.ts";
import type { FoundMarks } from "./_late_marks.ts";
import { overlayMarks } from "./_layer_marks.ts";
import { exists, removeIfThere } from "./_folders.ts";
import { mapOwner } from "./_map_owner.ts";
import { openRoot, ParentLayers } from "./_parent_layers.ts";
import { closing, statAt } from "./_walk_dir.ts";

/** What is kept beside a layer until it is committed, by whatever process. */
type ImplicitRecord = Readonly<
  Record<
    | "needed"
    | "marked"
    | "folders"
    | "links"
    | "hidden"
    | "opaque"
    | "marks"
    | "holders",
    readonly string[]
  >
>;

const recordOf = (dir: string) => `${dir}/implicit.json`;

/** Keeps them beside a layer, in the place of those before. They are no more durable than what was applied. */
export function keepImplicit(dir: string, implicit: ImplicitFolders): void {
  writeFileAtomic(recordOf(dir), JSON.stringify(implicit), { durable: false });
}

/** Whether any are kept beside a layer. */
export function hasImplicit(dir: string): boolean {
  return exists(recordOf(dir));
}

/** Those that are kept beside a layer. */
export function readImplicit(dir: string): ImplicitFolders | undefined {
  try {
    return new ImplicitFolders(
      JSON.parse(Deno.readTextFileSync(recordOf(dir))),
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    // A power cut may leave an empty one, of a layer that is no better then.
    throw new Deno.errors.InvalidData(
      `Cannot put the layer in "${dir}" on its parent: the record of it was cut off, and so the layer may be; remove the snapshot and apply the layer again`,
      { cause: error },
    );
  }
}

/** Removes what was kept. */
export function forgetImplicit(dir: string): void {
  removeIfThere(recordOf(dir));
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
  /** Those that the layer has an entry for. */
  readonly #folders: Set<string>;
  /** What may be a symbolic link. */
  readonly #links: Set<string>;
  /** What the layer hides, with all in it. */
  readonly #hidden: Set<string>;
  /** Folders of which the layer hides what is in them. */
  readonly #opaque: Set<string>;
  /** Where marks are, and the folders that were made for them. */
  readonly #marks: Set<string>;
  readonly #holders: Set<string>;

  constructor(kept: Partial<ImplicitRecord> = {}) {
    this.#needed = new Set(kept.needed);
    this.#marked = new Set(kept.marked);
    this.#folders = new Set(kept.folders);
    this.#links = new Set(kept.links);
    this.#hidden = new Set(kept.hidden);
    this.#opaque = new Set(kept.opaque);
    this.#marks = new Set(kept.marks);
    this.#holders = new Set(kept.holders);
  }

  /** All of it: a layer that is applied after this one may lie in whatever this one has. */
  toJSON(): ImplicitRecord {
    return {
      needed: [...this.#needed],
      marked: [...this.#marked],
      folders: [...this.#folders],
      links: [...this.#links],
      hidden: [...this.#hidden],
      opaque: [...this.#opaque],
      marks: [...this.#marks],
      holders: [...this.#holders],
    };
  }

  /** Takes note of an entry. */
  see(header: TarHeader): void {
    const names = cleanPath(header.name);
    const last = names.at(-1);
    if (last === undefined) {
      // Only a directory says how the root looks.
      if (header.typeflag === TypeFlag.DIRECTORY) this.#folders.add("");
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
      const { typeflag } = header;
      if (typeflag === TypeFlag.DIRECTORY) this.#folders.add(names.join("/"));
      else if (typeflag === TypeFlag.SYMLINK || typeflag === TypeFlag.LINK) {
        this.#links.add(names.join("/"));
      }
    }
  }

  /** Takes note of a folder that takes the place of something else. */
  replace(path: string): void {
    this.#hidden.add(path);
  }

  /** Takes note of where the marks are when all entries are there. */
  note({ marks, holders }: FoundMarks): void {
    for (const path of marks) this.#marks.add(path);
    for (const path of holders) this.#holders.add(path);
  }

  #isCutOff(names: readonly string[]): boolean {
    return names.some((_, index) => {
      const above = names.slice(0, index).join("/");
      return this.#opaque.has(above) ||
        this.#hidden.has(names.slice(0, index + 1).join("/"));
    });
  }

  /** Makes the root look as in the layer below, seen through an id map if there is one, if the layer does not say how it looks. */
  adoptRoot(content: string, nearest: string, idmap?: IdMap): void {
    if (this.#folders.has("")) return;
    const root = openRoot(content);
    using _root = closing(root);
    dressFolder(root, rootLook(nearest, idmap), "");
  }

  /**
   * Makes them look as in the layers below, and removes marks where nothing is below, which would be seen themselves,
   * with the folders that hold only such: marks make nothing. All can be taken back.
   *
   * @param dir The folder that the layer's is in.
   * @param parents The folders of the layers below, the nearest first.
   * @returns A path that is a link below, where the layer's files would hide it; it must be applied on its parent then.
   */
  adopt(dir: string, parents: readonly string[]): string | undefined {
    const [nearest] = parents;
    // Where nothing is below, there is nothing to look like.
    const all = nearest === undefined
      ? []
      : [...this.#needed.union(this.#marked)].filter((path) => path !== "");
    // Through a link of the layer itself, also where it has a folder of that name: applying it again is the safe way.
    const link = all.find((path) => this.#links.has(path));
    if (link !== undefined) return link;
    const looks = new Map<string, Look>();
    if (nearest !== undefined && !this.#folders.has("")) {
      looks.set("", rootLook(nearest));
    }
    using below = new ParentLayers(parents, overlayMarks(false));
    // Those above come first, so that a link is met before what lies behind it.
    for (const path of all.filter((path) => !this.#folders.has(path)).sort()) {
      const names = path.split("/");
      const found = this.#isCutOff(names) ? undefined : below.find(names);
      if (found?.kind === "link") return path;
      if (found?.kind === "dir") {
        looks.set(path, { ...found.stat, xattrs: found.xattrs });
      }
    }
    const find = (path: string) => {
      const names = path.split("/");
      const isCutOff = this.#isCutOff(names.slice(0, -1));
      return isCutOff ? undefined : below.find(names);
    };
    adoptFolders(dir, {
      looks,
      marks: [...this.#marks].filter((path) => find(path) === undefined),
      // A layer after it may have an entry for one.
      holders: [...this.#holders.difference(this.#folders)]
        .filter((path) => find(path)?.kind !== "dir"),
      below: () => below.names(),
    });
    return undefined;
  }
}

/** What the root of a layer looks like. */
function rootLook(content: string, idmap?: IdMap): Look {
  const root = openRoot(content);
  using _root = closing(root);
  const stat = statAt(root, "", content);
  return { ...stat, ...mapOwner(stat, idmap), xattrs: new Map() };
}
