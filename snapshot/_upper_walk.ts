/** Reads an upper directory, with what it keeps in the layers below. */
import { OPAQUE_WHITEOUT } from "@containerkit/tar/layer";
import type { DiffWriter, Place, Step } from "./_diff_writer.ts";
import { procPath, S_IFDIR, S_IFMT, S_IFREG } from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import type { Look, LowerDir, LowerEntry, LowerStack } from "./_lower_stack.ts";
import {
  closing,
  compareNames,
  openDir,
  sortedNames,
  statAt,
} from "./_walk_dir.ts";
import { DiffError } from "./diff_error.ts";

/** After so many names others may work. */
const BREATH = 500;

/** A directory of the upper layer. */
interface UpperDir {
  readonly fd: number;
  readonly path: string;
  /** What is below it, as one; `undefined` if the layers below were not given. */
  readonly lower: () => LowerDir | undefined;
  /** Whether it came from elsewhere, so that all in it is new. */
  readonly isMoved: boolean;
}

/** Descriptors that are closed at the end of a block. */
function closingAll(): { readonly fds: number[] } & Disposable {
  const fds: number[] = [];
  return {
    fds,
    [Symbol.dispose]() {
      for (const fd of fds) layerSymbols().close(fd);
    },
  };
}

export class UpperWalk {
  readonly #writer: DiffWriter;
  readonly #stack: LowerStack;
  readonly #isKnown: boolean;
  #names = 0;

  /** @param isKnown Whether the layers below were given. */
  constructor(writer: DiffWriter, stack: LowerStack, isKnown: boolean) {
    this.#writer = writer;
    this.#stack = stack;
    this.#isKnown = isKnown;
  }

  /** The upper directory itself. */
  root(fd: number): Generator<Step> {
    const lower = () => this.#isKnown ? this.#stack.root : undefined;
    return this.#directory({ fd, path: "", lower, isMoved: false });
  }

  *#directory(dir: UpperDir): Generator<Step> {
    const { fd, path, isMoved } = dir;
    const opaque = this.#stack.attribute(procPath(fd), "opaque", path);
    if (opaque === "y" && !isMoved) {
      yield* this.#writer.mark(`${path}${OPAQUE_WHITEOUT}`);
    }
    const lower = opaque === "y"
      ? () => this.#isKnown ? [] : undefined
      : dir.lower;
    const names = sortedNames(fd, path);
    const hidden = new Set(names);
    const below = isMoved ? this.#namesOf(lower() ?? [], path) : [];
    const all = below.length === 0
      ? names
      : [...new Set([...names, ...below])].sort(compareNames);
    for (const name of all) {
      if (++this.#names % BREATH === 0) yield undefined;
      if (hidden.has(name)) {
        yield* this.#name({ ...dir, lower }, name, opaque === "x");
      } else yield* this.#moved(lower()!, name, `${path}${name}`);
    }
  }

  /** A name of the upper layer. */
  *#name(dir: UpperDir, name: string, isMarking: boolean): Generator<Step> {
    const { fd, isMoved } = dir;
    const path = `${dir.path}${name}`;
    using opened = closingAll();
    const look = { path, fds: opened.fds };
    const stat = statAt(fd, name, path);
    const file = procPath(fd, name);
    if (this.#stack.isWhiteout(file, stat, { isMarking, path })) {
      if (!isMoved) yield* this.#writer.removed(path);
      return;
    }
    const kind = stat.mode & S_IFMT;
    const place = { dirfd: fd, name, path, stat };
    if (kind !== S_IFDIR) {
      const data = kind === S_IFREG ? this.#dataOf(dir, name, look) : undefined;
      yield* this.#writer.changed({ ...place, ...(data && { data }) });
      return;
    }
    const redirect = this.#stack.attribute(file, "redirect", path);
    yield* this.#writer.changed(place);
    const child = openDir(fd, name, path);
    using _child = closing(child);
    this.#writer.enter(place, true);
    let known: { readonly dir: LowerDir | undefined } | undefined;
    const lower = () => {
      known ??= { dir: this.#below(dir, name, { redirect, look })?.dir };
      return known.dir ?? (this.#isKnown ? [] : undefined);
    };
    if (redirect !== undefined) {
      if (!isMoved) yield* this.#hideBelow(dir, name, look);
      lower();
      if (known?.dir === undefined) {
        throw new DiffError(path, "it was renamed from a lower layer");
      }
    }
    yield* this.#directory({
      fd: child,
      path: `${path}/`,
      lower,
      isMoved: isMoved || redirect !== undefined,
    });
    this.#writer.leave();
  }

  /** A directory that came from elsewhere is not one with what is below its new name. */
  *#hideBelow(
    { lower }: UpperDir,
    name: string,
    look: Look,
  ): Generator<Step> {
    const dirs = lower();
    if (dirs === undefined || this.#stack.lookup(dirs, name, look)?.dir) {
      yield* this.#writer.mark(`${look.path}/${OPAQUE_WHITEOUT}`);
    }
  }

  /** What the layers below have for a name of the upper layer. */
  #below(
    dir: UpperDir,
    name: string,
    { redirect, look }: { redirect: string | undefined; look: Look },
  ): LowerEntry | undefined {
    const dirs = dir.lower();
    if (dirs === undefined) return undefined;
    const where = redirect === undefined
      ? { dirs, name }
      : this.#stack.follow(redirect, dirs, { below: -1, look });
    return where && this.#stack.lookup(where.dirs, where.name, look);
  }

  /** Where the content is of a file that has only its metadata here. */
  #dataOf(
    dir: UpperDir,
    name: string,
    look: Look,
  ): { dirfd: number; name: string } | undefined {
    const { path } = look;
    const file = procPath(dir.fd, name);
    const metacopy = this.#stack.attribute(file, "metacopy", path);
    if (metacopy === undefined) return undefined;
    const redirect = this.#stack.attribute(file, "redirect", path);
    const found = this.#below(dir, name, { redirect, look });
    if (found === undefined || (found.stat.mode & S_IFMT) !== S_IFREG) {
      throw new DiffError(path, "its data is in a lower layer");
    }
    return found.data ?? found;
  }

  /** Something of the layers below that came here with its directory. */
  *#moved(lower: LowerDir, name: string, path: string): Generator<Step> {
    using opened = closingAll();
    const look = { path, fds: opened.fds };
    const found = this.#stack.lookup(lower, name, look);
    if (found === undefined) return;
    const { dirfd, stat, data, dir } = found;
    const place: Place = {
      dirfd,
      name: found.name,
      path,
      stat,
      ...(data && { data }),
    };
    yield* this.#writer.changed(place);
    if (dir === undefined) return;
    this.#writer.enter(place, true);
    for (const child of this.#namesOf(dir, path)) {
      if (++this.#names % BREATH === 0) yield undefined;
      yield* this.#moved(dir, child, `${path}/${child}`);
    }
    this.#writer.leave();
  }

  #namesOf(dirs: LowerDir, path: string): string[] {
    const names = new Set<string>();
    for (const { fd } of dirs) {
      for (const name of sortedNames(fd, path)) names.add(name);
    }
    return [...names].sort(compareNames);
  }
}
