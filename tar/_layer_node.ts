/** The paths of layers on one another, and what stands at them. */
import type { PathNode } from "./create_path_resolver.ts";
import type { TarHeader } from "./tar_header.ts";

/** An entry by where it stands. */
export interface EntryId {
  readonly layer: number;
  readonly index: number;
}

/** One path, reached without symbolic links. */
export interface Node {
  readonly parent: Node | undefined;
  readonly children: Map<string, Node>;
  entry: Entry | undefined;
  /** A layer has something in it, so that it is a directory even without an entry. */
  isImplied: boolean;
  /** Whether whatever layers below have is gone: at this path, or just what they have below it. */
  hides: "path" | "content" | undefined;
}

/** What stands at a path. */
export interface Entry extends EntryId {
  /** Of a directory, all that is to be written of it. */
  readonly directory: TarHeader | undefined;
  /** Of a hard link, the entry whose content it has. */
  readonly target: Entry | undefined;
  /** Of a symbolic link, where it leads. */
  readonly symlink: string | undefined;
  /** Its path, once it is known to stay. */
  path?: string;
}

/** A path that nothing is known of. */
export function createNode(parent: Node | undefined): Node {
  return {
    parent,
    children: new Map(),
    entry: undefined,
    isImplied: false,
    hides: undefined,
  };
}

/** A path by its name in another one, made if need be. */
export function childOf(node: Node, name: string): Node {
  let child = node.children.get(name);
  if (child === undefined) {
    child = createNode(node);
    node.children.set(name, child);
  }
  return child;
}

/** Takes a path away from what lies below, too. */
export function hide(node: Node): void {
  node.children.clear();
  node.entry = undefined;
  node.isImplied = false;
  node.hides = "path";
}

/** Takes away what is in a directory. */
export function empty(node: Node): void {
  node.children.clear();
  node.hides ??= "content";
}

/** A node as it is looked up in. */
export function viewOf(node: Node): PathNode {
  return {
    symlink: node.entry?.symlink,
    child(name) {
      const child = node.children.get(name);
      return child && viewOf(child);
    },
  };
}
