/** Turns changes into the entries of a layer, hard links and parents included. */
import type { IdMap } from "@containerkit/mount";
import { encodeTarHeader, TypeFlag } from "@containerkit/tar";
import { WHITEOUT_PREFIX } from "@containerkit/tar/layer";
import { CAPABILITY, mapCapability } from "./_capability.ts";
import {
  procPath,
  readLinkAt,
  refused,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type Stat,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { openContent } from "./_open_content.ts";
import { readSmall } from "./_read_content.ts";
import type { Step } from "./_run_steps.ts";
import { unmapId } from "./_unmap_id.ts";
import { dirOf } from "./_walk_dir.ts";
import { getXattr, listXattrs } from "./_xattrs.ts";
import { DiffError } from "./diff_error.ts";

const BLOCK = 512;
/** Reading more than this at once is worth a thread of its own. */
const ELSEWHERE = 1 << 17;

const FLAGS: Readonly<Record<number, string>> = {
  [S_IFREG]: TypeFlag.FILE,
  [S_IFDIR]: TypeFlag.DIRECTORY,
  [S_IFLNK]: TypeFlag.SYMLINK,
  [S_IFCHR]: TypeFlag.CHARACTER_DEVICE,
  [S_IFBLK]: TypeFlag.BLOCK_DEVICE,
  [S_IFIFO]: TypeFlag.FIFO,
};

/** A file somewhere: the open directory it lies in, and its name there. */
export interface Place {
  readonly dirfd: number;
  readonly name: string;
  /** Its path in the layer. */
  readonly path: string;
  readonly stat: Stat;
  /** Where its content is, if elsewhere. */
  readonly data?: { readonly dirfd: number; readonly name: string };
}

/** Options of what is written. */
export interface DiffWriterOptions {
  /** Later times become this, in seconds. */
  readonly latest: number;
  readonly isXattrKept: (key: string) => boolean;
  readonly idmap: IdMap | undefined;
}

/** Finds the directories below one, that may be the root, down to another. */
export type DirsBetween = (above: string, below: string) => Iterable<Place>;

/** Such a name would hide another where the layer is applied. */
function checkName(path: string): void {
  if (!path.startsWith(WHITEOUT_PREFIX, path.lastIndexOf("/") + 1)) return;
  const why = `its name begins with "${WHITEOUT_PREFIX}", as marks do`;
  throw new DiffError(path, why);
}

export class DiffWriter {
  readonly #options: DiffWriterOptions;
  /** By inode: the name that has the data in this layer. */
  readonly #sources = new Map<string, string>();
  /** By inode: unchanged names seen before one that has changed. */
  readonly #unchanged = new Map<string, string[]>();
  /** Directories that this layer has; each comes after those it lies in. */
  readonly #written = new Set<string>();
  readonly #dirsBetween: DirsBetween;

  constructor(
    options: DiffWriterOptions,
    dirsBetween: DirsBetween,
  ) {
    this.#options = options;
    this.#dirsBetween = dirsBetween;
  }

  /** An unchanged name: matters only if another name of it has changed. */
  *unchanged({ path, stat }: Place): Generator<Step> {
    const inode = linkKey(stat);
    if (inode === undefined) return;
    const source = this.#sources.get(inode);
    if (source === undefined) {
      const names = this.#unchanged.get(inode);
      if (names === undefined) this.#unchanged.set(inode, [path]);
      else names.push(path);
      return;
    }
    yield* this.#writeParents(path);
    yield this.#link(path, source, stat);
  }

  /** A name that is gone. */
  *removed(path: string): Generator<Step> {
    checkName(path);
    const slash = path.lastIndexOf("/") + 1;
    yield* this.#writeParents(path);
    yield encodeTarHeader({
      name: `${path.slice(0, slash)}${WHITEOUT_PREFIX}${path.slice(slash)}`,
      mode: 0,
    });
  }

  /** Further entries, such as the mark of an opaque directory. */
  *mark(name: string): Generator<Step> {
    yield* this.#writeParents(name);
    yield encodeTarHeader({ name, mode: 0 });
  }

  /** A name that is new or has changed. */
  *changed(place: Place): Generator<Step> {
    const { path, stat } = place;
    const kind = stat.mode & S_IFMT;
    if (kind === S_IFSOCK) return;
    yield* this.#writeParents(path);
    const inode = linkKey(stat);
    const source = inode === undefined ? undefined : this.#sources.get(inode);
    if (source !== undefined) {
      yield this.#link(path, source, stat);
      return;
    }
    yield* this.#write(place, kind);
    if (inode === undefined) return;
    this.#sources.set(inode, path);
    const others = this.#unchanged.get(inode) ?? [];
    this.#unchanged.delete(inode);
    for (const other of others) {
      yield* this.#writeParents(other);
      yield this.#link(other, path, stat);
    }
  }

  /** The directories on the way to a path that nothing has been written of so far. */
  *#writeParents(path: string): Generator<Step> {
    const parent = dirOf(path);
    let written = parent;
    while (written !== "" && !this.#written.has(written)) {
      written = dirOf(written);
    }
    if (written === parent) return;
    for (const place of this.#dirsBetween(written, parent)) {
      yield* this.#write(place, S_IFDIR);
    }
  }

  #link(name: string, linkname: string, stat: Stat): Uint8Array {
    checkName(name);
    return encodeTarHeader({
      ...this.#common(stat),
      name,
      typeflag: TypeFlag.LINK,
      linkname,
    });
  }

  #common(stat: Stat) {
    const { latest, idmap } = this.#options;
    return {
      mode: stat.mode & 0o7777,
      uid: unmapId(stat.uid, idmap?.uids ?? []),
      gid: unmapId(stat.gid, idmap?.gids ?? []),
      mtime: Math.min(stat.mtime, latest),
    };
  }

  *#write(place: Place, kind: number): Generator<Step> {
    const { dirfd, name, path, stat } = place;
    checkName(path);
    if (kind === S_IFDIR) this.#written.add(path);
    const xattrs = this.#xattrs(place);
    const device = kind === S_IFCHR || kind === S_IFBLK;
    const linkname = kind === S_IFLNK ? readLinkAt(dirfd, name) : "";
    if (typeof linkname === "number") {
      throw refused("read the link", "readlinkat", -linkname, path);
    }
    const size = kind === S_IFREG ? stat.size : 0;
    yield encodeTarHeader({
      ...this.#common(stat),
      name: kind === S_IFDIR ? `${path}/` : path,
      typeflag: FLAGS[kind] ?? TypeFlag.FILE,
      size,
      linkname,
      ...(device ? { devmajor: stat.major, devminor: stat.minor } : {}),
      ...(xattrs === undefined ? {} : { xattrs }),
    });
    if (size > 0) yield* this.#body(place, size);
  }

  #xattrs({ dirfd, name, path }: Place): Map<string, Uint8Array> | undefined {
    let xattrs: Map<string, Uint8Array> | undefined;
    const uids = this.#options.idmap?.uids ?? [];
    const file = procPath(dirfd, name);
    for (const key of listXattrs(file, path)) {
      if (!this.#options.isXattrKept(key)) continue;
      const value = getXattr(file, key, path);
      if (value === undefined) continue;
      (xattrs ??= new Map()).set(
        key,
        key === CAPABILITY
          ? mapCapability(value, (root) => unmapId(root, uids))
          : value,
      );
    }
    return xattrs;
  }

  *#body(place: Place, size: number): Generator<Step> {
    const { path } = place;
    const fd = openContent(place);
    try {
      if (size > ELSEWHERE) yield { fd, size, path };
      else yield readSmall(fd, size, path);
    } finally {
      layerSymbols().close(fd);
    }
    const padding = (BLOCK - size % BLOCK) % BLOCK;
    if (padding > 0) yield new Uint8Array(padding);
  }
}

/** Tells names of the same file by; `undefined` if there is only one. */
function linkKey(stat: Stat): string | undefined {
  return stat.nlink > 1 && (stat.mode & S_IFMT) !== S_IFDIR
    ? `${stat.dev}:${stat.ino}`
    : undefined;
}
