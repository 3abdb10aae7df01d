/** Reads an upper directory, with what it keeps in the layers below. */
import { OPAQUE_WHITEOUT } from "@containerkit/tar/layer";
import type { DiffWriter, Place } from "./_diff_writer.ts";
import { listDir, procPath, S_IFDIR, S_IFMT, S_IFREG } from "./_files.ts";
import { Levels } from "./_levels.ts";
import type {
  LowerDir,
  LowerEntry,
  LowerPlace,
  LowerStack,
} from "./_lower_stack.ts";
import type { Step } from "./_run_steps.ts";
import { closing, compareNames, joined, openDir, statAt } from "./_walk_dir.ts";
import { DiffError } from "./diff_error.ts";

/** After so many names others may work. */
const BREATH = 500;

/** A directory on the way. */
interface Dir {
  readonly path: string;
  /** What is below it, as one; `undefined` if the layers below were not given. */
  readonly lower: () => LowerDir | undefined;
  /** Whether it came from elsewhere, so that all in it is new. */
  readonly isMoved: boolean;
  /** Whether plain files in it may be marks. */
  readonly isMarking: boolean;
  /** What of it is in the upper layer; nothing if it is not there itself. */
  readonly upper: ReadonlySet<string> | undefined;
  /** What is still to be done, the first of it last. */
  readonly names: string[];
}

export class UpperWalk {
  readonly #writer: DiffWriter;
  readonly #stack: LowerStack;
  readonly #isKnown: boolean;
  /** The directories on the way that the upper layer has. */
  readonly #levels = new Levels("open");

  /** @param isKnown Whether the layers below were given. */
  constructor(writer: DiffWriter, stack: LowerStack, isKnown: boolean) {
    this.#writer = writer;
    this.#stack = stack;
    this.#isKnown = isKnown;
  }

  /** The upper directory itself. However deep it is, it takes neither more stack nor more descriptors. */
  *root(fd: number): Generator<Step> {
    using levels = this.#levels;
    levels.enter(fd, ".", "");
    const lower = () => this.#isKnown ? this.#stack.root : undefined;
    const dirs = [yield* this.#enter("", lower, false)];
    let names = 0;
    for (let dir = dirs.at(-1); dir !== undefined; dir = dirs.at(-1)) {
      const name = dir.names.pop();
      if (name === undefined) {
        dirs.pop();
        if (dir.upper !== undefined) levels.leave();
        continue;
      }
      if (++names % BREATH === 0) yield undefined;
      const child = dir.upper?.has(name)
        ? yield* this.#name(dir, name)
        : yield* this.#moved(dir.lower()!, name, joined(dir.path, name));
      if (child !== undefined) dirs.push(child);
    }
  }

  /** Begins with the directory of the upper layer that has been gone into. */
  *#enter(
    path: string,
    lower: Dir["lower"],
    isMoved: boolean,
  ): Generator<Step, Dir> {
    const { fd } = this.#levels.last!;
    const opaque = this.#stack.attribute(procPath(fd), "opaque", path);
    if (opaque === "y") {
      if (!isMoved) yield* this.#writer.mark(joined(path, OPAQUE_WHITEOUT));
      lower = () => this.#isKnown ? [] : undefined;
    }
    const upper = new Set(listDir(fd, path).map(({ name }) => name));
    const below = isMoved ? this.#namesOf(lower() ?? [], path) : [];
    const names = sorted(new Set([...upper, ...below]));
    return { path, lower, isMoved, isMarking: opaque === "x", upper, names };
  }

  /** A name of the upper layer; gives the directory to go on with. */
  *#name(dir: Dir, name: string): Generator<Step, Dir | undefined> {
    const { fd } = this.#levels.last!;
    const { isMoved, isMarking } = dir;
    const path = joined(dir.path, name);
    const stat = statAt(fd, name, path);
    const file = procPath(fd, name);
    if (this.#stack.isWhiteout(file, stat, { isMarking, path })) {
      if (!isMoved) yield* this.#writer.removed(path);
      return undefined;
    }
    const kind = stat.mode & S_IFMT;
    const place = { dirfd: fd, name, path, stat };
    if (kind !== S_IFDIR) {
      const data = kind === S_IFREG ? this.#dataOf(dir, name, path) : undefined;
      yield* this.#writer.changed({ ...place, ...(data && { data }) });
      return undefined;
    }
    const redirect = this.#stack.attribute(file, "redirect", path);
    yield* this.#writer.changed(place);
    this.#levels.enter(fd, name, path);
    let known: { readonly dir: LowerDir | undefined } | undefined;
    const lower = () => {
      known ??= { dir: this.#below(dir, name, { redirect, path })?.dir };
      return known.dir ?? (this.#isKnown ? [] : undefined);
    };
    if (redirect !== undefined) {
      if (!isMoved) yield* this.#hideBelow(dir, name, path);
      lower();
      if (known?.dir === undefined) {
        throw new DiffError(path, "it was renamed from a lower layer");
      }
    }
    return yield* this.#enter(path, lower, isMoved || redirect !== undefined);
  }

  /** A directory that came from elsewhere is not one with what is below its new name. */
  *#hideBelow({ lower }: Dir, name: string, path: string): Generator<Step> {
    const dirs = lower();
    if (dirs === undefined || this.#stack.lookup(dirs, name, path)?.dir) {
      yield* this.#writer.mark(joined(path, OPAQUE_WHITEOUT));
    }
  }

  /** What the layers below have for a name of the upper layer. */
  #below(
    dir: Dir,
    name: string,
    { redirect, path }: { redirect: string | undefined; path: string },
  ): LowerEntry | undefined {
    const siblings = dir.lower();
    if (siblings === undefined) return undefined;
    const where = redirect === undefined
      ? { dirs: siblings, name }
      : this.#stack.follow(redirect, { siblings, layer: -1 }, path);
    return where && this.#stack.lookup(where.dirs, where.name, path);
  }

  /** Where the content is of a file that has only its metadata here. */
  #dataOf(dir: Dir, name: string, path: string): Place["data"] {
    const file = procPath(this.#levels.last!.fd, name);
    const metacopy = this.#stack.attribute(file, "metacopy", path);
    if (metacopy === undefined) return undefined;
    const redirect = this.#stack.attribute(file, "redirect", path);
    const found = this.#below(dir, name, { redirect, path });
    if (found === undefined || (found.stat.mode & S_IFMT) !== S_IFREG) {
      throw new DiffError(path, "its data is in a lower layer");
    }
    return this.#open(found.data ?? found, path);
  }

  /** Something of the layers below that came here with its directory; gives the directory to go on with. */
  *#moved(
    dirs: LowerDir,
    name: string,
    path: string,
  ): Generator<Step, Dir | undefined> {
    const found = this.#stack.lookup(dirs, name, path);
    if (found === undefined) return undefined;
    const { stat, dir } = found;
    const data = found.data && this.#open(found.data, path);
    const place = { ...this.#open(found, path), path, stat };
    yield* this.#writer.changed({ ...place, ...(data && { data }) });
    if (dir === undefined) return undefined;
    const names = sorted(this.#namesOf(dir, path));
    return {
      path,
      lower: () => dir,
      isMoved: true,
      isMarking: false,
      upper: undefined,
      names,
    };
  }

  #open(
    { at, name }: LowerPlace,
    path: string,
  ): { readonly dirfd: number; readonly name: string } {
    return { dirfd: this.#stack.fd(at, path), name };
  }

  #namesOf(dirs: LowerDir, path: string): Set<string> {
    const names = new Set<string>();
    for (const dir of dirs) {
      const fd = openDir(this.#stack.fd(dir, path), ".", path);
      using _list = closing(fd);
      for (const { name } of listDir(fd, path)) names.add(name);
    }
    return names;
  }
}

/** Names in order, the first of them last. */
function sorted(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => compareNames(b, a));
}
