/** Applies the entries of one layer to a directory, in whatever order they come. */
import { type TarHeader, type TarSink, TypeFlag } from "@containerkit/tar";
import {
  cleanPath,
  normalizeWhiteout,
  parseWhiteout,
} from "@containerkit/tar/layer";
import { ApplyContext, type ApplyRules, type Owner } from "./_apply_context.ts";
import { dressFile, finishDirectories } from "./_attributes.ts";
import { copyUp } from "./_copy_up.ts";
import type { Dir, DirTree } from "./_dir_tree.ts";
import { EntryPlaces } from "./_entry_places.ts";
import { removeFrom } from "./_hide.ts";
import { hideInRoot } from "./_hide_in_root.ts";
import { findMarks, makeLateMarks, makeMark } from "./_late_marks.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import {
  createFile,
  dressRoot,
  makeDirectory,
  makeLink,
  makeNode,
  makeSymlink,
  missingTarget,
  type Spot,
} from "./_make_entry.ts";
import { LargeWrites } from "./_large_writes.ts";
import type { Pace } from "./_pace.ts";
import {
  setSize,
  startWriteBack,
  writeAll,
  writeAt,
  writeElsewhere,
} from "./_write_all.ts";
import { LayerError } from "./layer_error.ts";

/** From here on a write is worth the way to another thread and back. */
const ELSEWHERE = 1 << 19;
/** From here on a file is worth a call to have it written to the disk early. */
const FLUSHED = 1 << 17;
/** After so many entries the clock is looked at. */
const GLANCE = 16;
/** So much may wait for another thread: each may be a file that is open. */
const MAX_QUEUED = 64;

interface OpenFile {
  readonly fd: number;
  readonly header: TarHeader;
  readonly parent: Dir;
  /** Whether parts of it are written elsewhere, so that its end must wait for them. */
  isQueued: boolean;
}

export class Applier implements TarSink, Disposable {
  readonly #context: ApplyContext;
  readonly #pace: Pace;
  readonly #places: EntryPlaces;
  #file: OpenFile | undefined;
  #work: Generator<void> | undefined;
  entries = 0;
  /** What goes on elsewhere with the bytes of the last chunks. */
  readonly writes = new LargeWrites();
  /** Files that are complete, on their way to the disk. */
  readonly #flushes = new LargeWrites();
  /** Called when no more entries should come until {@linkcode settle} is done. */
  pause: () => void = () => {};

  constructor(tree: DirTree, rules: ApplyRules, pace: Pace) {
    this.#context = new ApplyContext(tree, rules);
    this.#pace = pace;
    this.#places = new EntryPlaces(this.#context);
  }

  get warnings() {
    return this.#context.warnings;
  }

  entry(asWritten: TarHeader): void {
    this.entries++;
    const { filter, implicit } = this.#context.rules;
    if (filter?.(asWritten) === false) return;
    const header = normalizeWhiteout(asWritten);
    implicit?.see(header);
    const work = this.#begin(header);
    if (work !== undefined && !this.#isDone(work)) {
      this.#work = this.#resume(work, header);
      this.pause();
    } else if (this.entries % GLANCE === 0 && this.#pace.isOver) this.pause();
  }

  /** Works while there is time; most work is little. */
  #isDone(work: Generator<void>): boolean {
    for (let step = 1; !work.next().done; step++) {
      if (step % GLANCE === 0 && this.#pace.isOver) return false;
    }
    return true;
  }

  /** The rest of an entry that took too long, whose end has been heard of already if it has no content. */
  *#resume(work: Generator<void>, header: TarHeader): Generator<void> {
    yield* work;
    const { sparse, size } = header;
    if (sparse === undefined ? size === 0 : sparse.length === 0) this.end();
  }

  /** Whether {@linkcode settle} has anything to do. */
  get isBusy(): boolean {
    return this.#work !== undefined || this.#pace.isOver ||
      this.writes.size > MAX_QUEUED || this.#flushes.size > MAX_QUEUED;
  }

  /** Finishes what an entry has begun, and lets others work. */
  async settle(signal: AbortSignal | undefined): Promise<void> {
    const work = this.#work;
    this.#work = undefined;
    if (work !== undefined) await this.#pace.run(work, signal);
    if (this.writes.size > MAX_QUEUED) {
      await this.writes.until(this.writes.pending);
    }
    if (this.#flushes.size > MAX_QUEUED) await this.#flushes.pending;
    if (this.#pace.isOver) await this.#pace.rest(signal);
  }

  /** Waits until nothing goes on elsewhere, whatever becomes of it. */
  async idle(): Promise<void> {
    await this.writes.pending;
    await this.#flushes.pending;
  }

  /** What is done at once is done; the rest is given back, to be done before anything else. */
  #begin(header: TarHeader, isCopied = false): Generator<void> | undefined {
    try {
      return this.#dispatch(header, isCopied);
    } catch (error) {
      if (error instanceof LayerError || !(error instanceof RangeError)) {
        throw error;
      }
      throw new LayerError(header.name, error.message, { cause: error });
    }
  }

  /** @param isCopied Whether what it links to was copied from the layers below. */
  #dispatch(
    header: TarHeader,
    isCopied: boolean,
  ): Generator<void> | undefined {
    const found = this.#places.locate(header.name);
    if (found === undefined) return;
    const { parent, name } = found;
    if (name === "") return dressRoot(this.#context, header);
    const whiteout = parseWhiteout(name);
    if (whiteout !== undefined) {
      this.#places.forget();
      return makeMark(this.#context, parent, whiteout);
    }
    const isMade = this.#make(header, parent, name);
    if (isMade === undefined) {
      // It went again with the directory that is replaced by a link into it.
      if (isCopied) throw missingTarget(header);
      return this.#linkBelow(header);
    }
    if (!isMade) return this.#makeRoom(header, { parent, name }, isCopied);
  }

  /** Makes an entry. Gives false if a directory is in the way, `undefined` if what it links to is not there. */
  #make(header: TarHeader, parent: Dir, name: string): boolean | undefined {
    const context = this.#context;
    // Refused before anything of it is there; a link has the owner of its target.
    if (header.typeflag !== TypeFlag.LINK) context.owner(header);
    switch (header.typeflag) {
      case TypeFlag.FILE: {
        const fd = createFile(context, header, { parent, name });
        if (fd === undefined) return false;
        this.#file = { fd, header, parent, isQueued: false };
        return true;
      }
      case TypeFlag.DIRECTORY: {
        const dir = makeDirectory(context, header, { parent, name });
        this.#places.made(header.name, dir);
        return true;
      }
      case TypeFlag.SYMLINK:
        return makeSymlink(context, header, { parent, name });
      case TypeFlag.LINK:
        return makeLink(context, header, { parent, name });
      case TypeFlag.CHARACTER_DEVICE:
      case TypeFlag.BLOCK_DEVICE:
      case TypeFlag.FIFO:
        return makeNode(context, header, { parent, name });
    }
    throw new LayerError(
      header.name,
      `its kind ${JSON.stringify(header.typeflag)} is unknown`,
    );
  }

  *#makeRoom(
    header: TarHeader,
    { parent, name }: Spot,
    isCopied: boolean,
  ): Generator<void> {
    this.#places.forget();
    yield* removeFrom(this.#context, parent, name);
    const more = this.#begin(header, isCopied);
    if (more !== undefined) yield* more;
  }

  /** Makes a hard link to what the layers below have, if they do. */
  *#linkBelow(header: TarHeader): Generator<void> {
    this.#places.forget();
    const context = this.#context;
    const names = cleanPath(header.linkname);
    const base = names.pop();
    const dir = base === undefined || context.rules.parents === undefined
      ? undefined
      : this.#places.holder(names, header.name);
    const isCopied = base !== undefined && dir !== undefined &&
      (yield* copyUp(context, dir, base));
    if (!isCopied) throw missingTarget(header);
    const more = this.#begin(header, true);
    if (more !== undefined) yield* more;
  }

  data(bytes: Uint8Array, position: number): void {
    const file = this.#file;
    if (file === undefined) return;
    const { fd, header: { name, sparse } } = file;
    if (file.isQueued || bytes.length >= ELSEWHERE) {
      file.isQueued = true;
      this.writes.add((hasFailed) =>
        hasFailed ? undefined : writeElsewhere(fd, bytes, position, name)
      );
      if (this.writes.size > MAX_QUEUED) this.pause();
    } else if (sparse === undefined) {
      writeAll(fd, bytes, name);
    } else {
      writeAt(fd, bytes, position, name);
    }
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { fd, header, parent, isQueued } = file;
    let owner: Owner | undefined;
    try {
      // Asked now: a later entry may change what the parent gives to new files.
      owner = this.#context.ownerToSet(header, parent);
    } catch (error) {
      if (isQueued) this.writes.add(() => this.#close(fd, 0));
      else this.#close(fd, 0);
      throw error;
    }
    const { name, size, sparse } = header;
    const finish = (hasFailed: boolean) => {
      try {
        if (hasFailed) return;
        if (sparse !== undefined) setSize(fd, size, name);
        dressFile(this.#context, fd, { header, owner });
      } finally {
        this.#close(fd, hasFailed ? 0 : size);
      }
    };
    if (isQueued) this.writes.add(finish);
    else finish(false);
  }

  /** Closes a file of some size, once it is on its way to the disk if that is wanted. */
  #close(fd: number, size: number): void {
    if (this.#context.rules.writeBack && size >= FLUSHED) {
      this.#flushes.add(() => startWriteBack(fd, 0, size));
      this.#flushes.add(() => void layerSymbols().close(fd));
    } else layerSymbols().close(fd);
  }

  /** Sets what had to wait until nothing more is written. */
  *finish(): Generator<void> {
    const { late } = this.#places;
    const find = (names: readonly string[]) =>
      this.#places.parentOfMark(names, true);
    const { tree, rules } = this.#context;
    yield* makeLateMarks(this.#context, late, find);
    const { root } = tree;
    if (root.opaque && rules.marks.isRootMerged && rules.parents) {
      hideInRoot(tree.fd(root), rules.parents.names(), rules.marks);
    }
    rules.implicit?.note(findMarks(root));
    yield* finishDirectories(this.#context);
  }

  [Symbol.dispose](): void {
    this.#work?.return(undefined);
    if (this.#file !== undefined) layerSymbols().close(this.#file.fd);
    this.#context.tree[Symbol.dispose]();
  }
}
