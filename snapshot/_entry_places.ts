/** Where the entries of a layer go. */
import { SyscallError } from "@containerkit/libc";
import { cleanPath, parseWhiteout } from "@containerkit/tar/layer";
import type { ApplyContext } from "./_apply_context.ts";
import type { Dir, MissingHandler } from "./_dir_tree.ts";
import type { LateMark } from "./_late_marks.ts";
import type { Spot } from "./_make_entry.ts";
import { holderMaker, parentMaker } from "./_missing_dirs.ts";

/** How many directories are known by their names. */
const MAX_KNOWN = 16_384;

/** Finds the directories that entries lie in, and makes those that are missing. */
export class EntryPlaces {
  readonly #context: ApplyContext;
  readonly #makeParent: MissingHandler;
  readonly #makeHolder: MissingHandler;
  /** The directory of the last entry by its name as written, for the next one. */
  #lastPrefix: string | undefined;
  #lastParent: Dir | undefined;
  /** Whether no link leads to it, so that it is what its name says until it is removed. */
  #isDirect = false;
  /** Such directories, by the names as written. */
  readonly #known = new Map<string, Dir>();
  /** Marks behind links, or where nothing is so far: what their paths mean is known when all entries are there. */
  readonly late: LateMark[] = [];

  constructor(context: ApplyContext) {
    this.#context = context;
    this.#makeParent = parentMaker(context);
    this.#makeHolder = holderMaker(context);
  }

  /** Where an entry goes, with no name if it is the root itself; `undefined` is a mark where nothing can be hidden. */
  locate(path: string): Spot | undefined {
    const end = path.endsWith("/") ? path.length - 1 : path.length;
    const slash = path.lastIndexOf("/", end - 1);
    const prefix = path.slice(0, slash + 1);
    const name = path.slice(slash + 1, end);
    if (name !== "" && name !== "." && name !== "..") {
      const isHere = prefix === this.#lastPrefix &&
        (this.#isDirect || parseWhiteout(name) === undefined);
      if (isHere) return { parent: this.#lastParent!, name };
      const known = this.#known.get(prefix);
      if (known !== undefined && !known.dead) {
        this.#lastPrefix = prefix;
        this.#lastParent = known;
        this.#isDirect = true;
        return { parent: known, name };
      }
    }
    const { tree } = this.#context;
    const { links } = tree;
    const names = cleanPath(path);
    const base = names.pop();
    if (base === undefined) return { parent: tree.root, name: "" };
    const whiteout = parseWhiteout(base);
    const parent = whiteout === undefined
      ? tree.walk(names, this.#makeParent, path)
      : this.parentOfMark(names, false);
    if (parent === undefined) {
      if (whiteout !== undefined) this.late.push({ names, whiteout });
      return undefined;
    }
    const isPlain = base === name && !prefix.includes("..");
    this.#lastPrefix = isPlain ? prefix : undefined;
    this.#lastParent = parent;
    this.#isDirect = isPlain && tree.links === links;
    if (this.#isDirect) this.#remember(prefix, parent);
    return { parent, name: base };
  }

  /** Takes note of a directory that was made at the place that was found last, by its name as written. */
  made(name: string, dir: Dir): void {
    if (this.#isDirect && name.endsWith("/")) this.#remember(name, dir);
  }

  /** Forgets the last directory: something may be removed that it goes with. */
  forget(): void {
    this.#lastPrefix = undefined;
  }

  #remember(prefix: string, dir: Dir): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(prefix, dir);
  }

  /** The directory that holds what a layer links to, if there is one. */
  holder(names: readonly string[], path: string): Dir | undefined {
    return this.#context.tree.walk(names, this.#makeHolder, path);
  }

  /** Some writers hide what was in a directory that their layer replaces by a file: nothing is left to do then. */
  parentOfMark(names: readonly string[], follow: boolean): Dir | undefined {
    const { tree } = this.#context;
    try {
      return tree.walk(names, this.#makeHolder, names.join("/"), follow);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ENOTDIR") {
        return undefined;
      }
      throw error;
    }
  }
}
