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

/** What is at a path: a symbolic link, a directory, or anything else. */
export interface PathNode {
  /** Of a symbolic link, where it leads. */
  readonly symlink?: string | undefined;
  /** Of a directory, what has a name in it. */
  child?(name: string): PathNode | undefined;
}

/** What a layer puts at a path. */
export interface PathEntry {
  /** The parts of the path, as the layer names it. */
  readonly path: readonly string[];
  /** Whether it is a directory, which takes in what a directory below has. */
  readonly isDirectory: boolean;
  /** Of a symbolic link, where it leads. */
  readonly symlink?: string | undefined;
  /** Of a hard link, the parts of the path of what it is the same as. */
  readonly link?: readonly string[] | undefined;
}

/** What this layer has at a path, where that matters, and in it. */
interface OwnNode {
  entry?: Pick<PathEntry, "isDirectory" | "symlink">;
  readonly children: Map<string, OwnNode>;
}

/** A place on the way: what this layer has there, and what those below have. */
interface Step {
  readonly name: string;
  readonly own: OwnNode | undefined;
  readonly below: PathNode | undefined;
}

function ownChild({ children }: OwnNode, name: string): OwnNode {
  let child = children.get(name);
  if (child === undefined) {
    child = { children: new Map() };
    children.set(name, child);
  }
  return child;
}

function stepTo({ own, below }: Step, name: string): Step {
  const isLink = below?.symlink !== undefined;
  return {
    name,
    own: own?.children.get(name),
    below: isLink ? undefined : below?.child?.(name),
  };
}

function symlinkOf({ own, below }: Step): string | undefined {
  return (own?.entry ?? below)?.symlink;
}

/**
 * Tells where paths lead once all entries of a layer are there. That is what the paths of its whiteouts mean, wherever
 * in the layer they stand: behind a link of a layer below as long as this layer has nothing in its place, and behind a
 * link of its own.
 *
 * @param entries What the layer has, whiteouts apart, in its order.
 * @param below The root of what the layers below have.
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
 * ], { child: (name) => below.get(name) });
 * assertEquals(resolve(["bin", "sh"]), ["usr", "bin", "sh"]);
 * assertEquals(resolve(["sbin", "init"]), ["sbin", "init"]);
 * assertEquals(resolve(["etc", "motd"]), undefined);
 * assertEquals(resolve(["lib"]), ["usr", "lib"]);
 * ```
 */
export function createPathResolver(
  entries: Iterable<PathEntry>,
  below: PathNode,
): (path: readonly string[]) => readonly string[] | undefined {
  const own: OwnNode = { children: new Map() };
  const root: Step = { name: "", own, below };
  /** The places from the root to where a path leads. */
  const walk = (path: readonly string[]): readonly Step[] | undefined => {
    const rest = path.toReversed();
    const steps = [root];
    let links = 0;
    let parts = rest.length;
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (steps.length > 1) steps.pop();
        continue;
      }
      const step = stepTo(steps.at(-1)!, name);
      const symlink = symlinkOf(step);
      if (symlink === undefined) {
        if (step.own?.entry?.isDirectory === false) return undefined;
        steps.push(step);
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
      if (symlink.startsWith("/")) steps.length = 1;
      rest.push(...target.reverse());
    }
    return steps;
  };
  // Most entries lie in the same directory as the one before.
  let lastFolder: readonly string[] | undefined;
  let lastSteps: readonly Step[] | undefined;
  /** Where the directory of an entry is: a link at the end of its path is not followed. */
  const walkToFolder = (path: readonly string[]) => {
    const folder = path.slice(0, -1);
    const isSame = folder.length === lastFolder?.length &&
      folder.every((name, index) => name === lastFolder![index]);
    if (!isSame) lastSteps = walk(folder);
    lastFolder = folder;
    return lastSteps;
  };
  /** Puts an entry into a directory, unless nothing is there that it replaces and it leads nowhere else. */
  const put = (entry: PathEntry, folder: readonly Step[]) => {
    const name = entry.path.at(-1)!;
    const place = stepTo(folder.at(-1)!, name);
    const target = entry.link?.length ? walkToFolder(entry.link) : undefined;
    const symlink = target === undefined
      ? entry.symlink
      : symlinkOf(stepTo(target.at(-1)!, entry.link!.at(-1)!));
    const isNews = symlink !== undefined || place.own !== undefined ||
      place.below !== undefined;
    if (!isNews) return;
    let node = own;
    for (const { name } of folder.slice(1)) node = ownChild(node, name);
    node = ownChild(node, name);
    node.entry = { isDirectory: entry.isDirectory, symlink };
    if (!entry.isDirectory) node.children.clear();
    lastFolder = undefined;
  };
  for (const entry of entries) {
    const folder = entry.path.length === 0
      ? undefined
      : walkToFolder(entry.path);
    if (folder !== undefined) put(entry, folder);
  }
  return (path) => walk(path)?.slice(1).map(({ name }) => name);
}
