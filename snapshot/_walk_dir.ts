/** Walking directories in the order of a layer. */
import { encodeText } from "@containerkit/tar";
import {
  listDir,
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

/** The names in an open directory, in order. */
export function sortedNames(fd: number, path: string): string[] {
  const list = openChild(fd, ".", O_DIRECTORY);
  if (list < 0) throw refused("open", "openat2", -list, path);
  try {
    return listDir(list, path).map(({ name }) => name).sort(compareNames);
  } finally {
    layerSymbols().close(list);
  }
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
