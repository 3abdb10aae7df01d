/** The way down a tree that may be deeper than any limit of descriptors. */
import { errno } from "@containerkit/libc";
import {
  CName,
  ENOENT,
  lstatAt,
  O_CLOEXEC,
  O_DIRECTORY,
  openChild,
  refused,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";

/** How many directories are held open at once. */
const MAX_OPEN = 64;

const above_ = new CName().set("..");

/** A directory on the way down. */
export interface Level {
  readonly name: string;
  readonly path: string;
  /** Negative while it is closed. */
  fd: number;
  /** Which one it is, from when it was closed. */
  identity?: { readonly ino: bigint; readonly dev: number };
  /** What was listed and is still to be done. */
  entries: { readonly name: string; readonly type: number }[];
}

/** The directories on the way down, of which the nearest are open. */
export class Levels implements Disposable {
  readonly #action: string;
  readonly #levels: Level[] = [];

  /** @param action What is done to the tree, for errors. */
  constructor(action: string) {
    this.#action = action;
  }

  /** The deepest, which is open. */
  get last(): Level | undefined {
    return this.#levels.at(-1);
  }

  /** How many there are. */
  get depth(): number {
    return this.#levels.length;
  }

  /** Goes into an open directory; what was reached so far is above it. */
  add(fd: number, name: string, path: string): Level {
    const level: Level = { name, path, fd, entries: [] };
    this.#levels.push(level);
    return level;
  }

  /**
   * Goes into a directory, by its name in an open one; never through a link.
   *
   * @returns The one far above that was closed for it, if one was.
   */
  enter(dirfd: number, name: string, path: string): Level | undefined {
    const fd = openChild(dirfd, name, O_DIRECTORY);
    if (fd < 0) throw refused(this.#action, "openat2", -fd, path);
    this.add(fd, name, path);
    const far = this.#levels.at(-1 - MAX_OPEN);
    if (far === undefined || far.fd < 0) return undefined;
    far.identity = this.#identify(far);
    layerSymbols().close(far.fd);
    far.fd = -1;
    return far;
  }

  /** The one above the last, open, if it is the same that it was. */
  above(): Level | undefined {
    const level = this.#levels.at(-2);
    if (level === undefined || level.fd >= 0) return level;
    const libc = layerSymbols();
    const flags = O_DIRECTORY | O_CLOEXEC;
    const fd = libc.openat(this.last!.fd, above_, flags, 0);
    if (fd < 0) throw refused(this.#action, "openat", errno(), level.path);
    level.fd = fd;
    const { ino, dev } = this.#identify(level);
    if (ino !== level.identity?.ino || dev !== level.identity.dev) {
      throw refused(this.#action, "openat", ENOENT, level.path);
    }
    return level;
  }

  /** Comes out of the last into the one above it. */
  leave(): void {
    this.above();
    layerSymbols().close(this.#levels.pop()!.fd);
  }

  #identify({ fd, path }: Level): { ino: bigint; dev: number } {
    const stat = lstatAt(fd, "");
    if (typeof stat === "number") {
      throw refused("look at", "statx", -stat, path);
    }
    return stat;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#levels) if (fd >= 0) layerSymbols().close(fd);
    this.#levels.length = 0;
  }
}
