/** Walking directories in the order of a layer. */
import { encodeText } from "@containerkit/tar";
import {
  lstatAt,
  O_DIRECTORY,
  openChild,
  refused,
  type Stat,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";

/** Orders names by their bytes. */
export function compareNames(a: string, b: string): number {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(a) && /^[\x00-\x7f]*$/.test(b)) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const [one, other] = [encodeText(a), encodeText(b)];
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index++) {
    if (one[index] !== other[index]) return one[index]! - other[index]!;
  }
  return one.length - other.length;
}

/** The path of a name in a directory; that of the root is empty. */
export function joined(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** The directory a path lies in; that of the root and of what lies in it is empty. */
export function dirOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** So many names and their slashes fit into `PATH_MAX`. */
const NAMES_AT_ONCE = 15;

/** Opens a directory by the names on the way from another, however many. */
export function openPath(
  root: number,
  names: readonly string[],
  path: string,
): number {
  let fd = root;
  let at = 0;
  do {
    const some = names.slice(at, at + NAMES_AT_ONCE).join("/") || ".";
    const next = openChild(fd, some, O_DIRECTORY);
    if (fd !== root) layerSymbols().close(fd);
    if (next < 0) throw refused("open", "openat2", -next, path);
    fd = next;
    at += NAMES_AT_ONCE;
  } while (at < names.length);
  return fd;
}

/** What is at a name; it must be there. */
export function statAt(fd: number, name: string, path: string): Stat {
  const stat = lstatAt(fd, name);
  if (typeof stat === "number") throw refused("look at", "statx", -stat, path);
  return stat;
}

/** Opens a directory by its name in another; it must be one. */
export function openDir(fd: number, name: string, path: string): number {
  const child = openChild(fd, name, O_DIRECTORY);
  if (child < 0) throw refused("open", "openat2", -child, path);
  return child;
}

/** Lets go of a descriptor at the end of a block. */
export function closing(fd: number): Disposable {
  return { [Symbol.dispose]: () => void layerSymbols().close(fd) };
}
