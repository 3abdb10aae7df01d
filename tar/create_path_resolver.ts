/**
 * Following the symbolic links of a layer and of those below it.
 *
 * @module
 */

import { TarError } from "./tar_error.ts";

/** How many symbolic links the kernel follows in one path. */
const MOST_LINKS = 40;
/** How many parts a path may have with those of the links that it goes through; the kernel takes 4096 bytes at once. */
const MOST_PARTS = 4096;

function refuse(path: readonly string[], why: string): never {
  throw new TarError(`the path ${JSON.stringify(path.join("/"))} ${why}`);
}

/** What is at a path: a symbolic link, or anything else. */
export interface PathNode {
  /** Of a symbolic link, where it leads. */
  readonly symlink?: string | undefined;
}

/** What a layer puts at a path. */
export interface PathEntry extends PathNode {
  /** The parts of the path, as the layer names it. */
  readonly path: readonly string[];
  /** Whether it is a directory, which takes in what a directory below has. */
  readonly isDirectory: boolean;
  /** Of a hard link, the parts of the path of what it is the same as. */
  readonly link?: readonly string[] | undefined;
}

/**
 * Tells where paths lead once all entries of a layer are there. That is what the paths of its whiteouts mean, wherever
 * in the layer they stand: behind a link of a layer below as long as this layer has nothing in its place, and behind a
 * link of its own.
 *
 * @param entries What the layer has, whiteouts apart, in its order.
 * @param below What the layers below have at a path, which has no links in it.
 * @returns Follows all links of a path, also at its end, as if the layers were all there is: `..` of the root is the root.
 * What is not there is taken for a directory; a path that goes through a file leads nowhere, `undefined`.
 * @throws {TarError} If a path goes through more than 40 links, or through links of more than 4096 parts with its own; also from the function returned.
 *
 * @example Usage
 * ```ts
 * import { createPathResolver } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const below = new Map([
 *   ["bin", { symlink: "usr/bin" }],
 *   ["sbin", { symlink: "usr/sbin" }],
 *   ["etc", {}],
 * ]);
 * const resolve = createPathResolver([
 *   { path: ["sbin"], isDirectory: true },
 *   { path: ["etc"], isDirectory: false },
 *   { path: ["lib"], isDirectory: false, symlink: "/usr/lib" },
 * ], (path) => below.get(path.join("/")));
 * assertEquals(resolve(["bin", "sh"]), ["usr", "bin", "sh"]);
 * assertEquals(resolve(["sbin", "init"]), ["sbin", "init"]);
 * assertEquals(resolve(["etc", "motd"]), undefined);
 * assertEquals(resolve(["lib"]), ["usr", "lib"]);
 * ```
 */
export function createPathResolver(
  entries: Iterable<PathEntry>,
  below: (path: readonly string[]) => PathNode | undefined,
): (path: readonly string[]) => readonly string[] | undefined {
  /** What this layer has in the place of something below, and its links. */
  const own = new Map<string, PathEntry>();
  const resolve = (path: readonly string[]): string[] | undefined => {
    const rest = path.toReversed();
    const place: string[] = [];
    let links = 0;
    let parts = rest.length;
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        place.pop();
        continue;
      }
      place.push(name);
      const entry = own.get(place.join("/"));
      const { symlink } = entry ?? below(place) ?? {};
      if (symlink === undefined) {
        if (entry?.isDirectory === false) return undefined;
        continue;
      }
      const target = symlink.split("/");
      parts += target.length;
      if (++links > MOST_LINKS) {
        refuse(path, "goes through too many symbolic links");
      }
      if (parts > MOST_PARTS) {
        refuse(path, "is too long with the symbolic links it goes through");
      }
      if (symlink.startsWith("/")) place.length = 0;
      else place.pop();
      rest.push(...target.reverse());
    }
    return place;
  };
  // Most entries lie in the same directory as the one before.
  let lastFolder: readonly string[] | undefined;
  let lastPlace: readonly string[] | undefined;
  /** Where an entry lies: a link at the end of its path is not followed. */
  const placeOf = (path: readonly string[]) => {
    const folder = path.slice(0, -1);
    const isSame = folder.length === lastFolder?.length &&
      folder.every((name, index) => name === lastFolder![index]);
    if (!isSame) lastPlace = resolve(folder);
    lastFolder = folder;
    return lastPlace && [...lastPlace, path.at(-1)!];
  };
  for (const entry of entries) {
    const place = entry.path.length === 0 ? undefined : placeOf(entry.path);
    if (place === undefined) continue;
    const target = entry.link?.length ? placeOf(entry.link) : undefined;
    const { symlink } = target === undefined
      ? entry
      : own.get(target.join("/")) ?? below(target) ?? {};
    const key = place.join("/");
    // One with nothing below needs no place, but takes that of an earlier one.
    if (symlink === undefined && below(place) === undefined) {
      if (!own.delete(key)) continue;
    } else own.set(key, { ...entry, symlink });
    lastFolder = undefined;
  }
  return resolve;
}
