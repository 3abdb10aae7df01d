import { TarError } from "@containerkit/tar";
import type { LayerEntry } from "./_layer_entries.ts";
import { fromByteText } from "./_names.ts";
import {
  makeDirectory,
  Mode,
  purge,
  survives,
  type TreeNode,
} from "./_tree.ts";

/** How many symbolic links the kernel follows in one path. */
const MOST_LINKS = 40;

function describe(path: readonly string[]): string {
  return JSON.stringify(fromByteText(path.join("/")));
}

/**
 * Finds the directory of an entry, and makes what is missing of it.
 *
 * A symbolic link is followed, without leaving the root; a file of a lower layer
 * is replaced.
 */
function enter(
  root: TreeNode,
  path: readonly string[],
  layer: number,
): TreeNode {
  const todo = path.toReversed();
  const stack = [root];
  for (let links = 0; todo.length > 0;) {
    const name = todo.pop()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (stack.length > 1) stack.pop();
      continue;
    }
    const here = stack.at(-1)!;
    const node = here.children!.get(name);
    if (node?.children !== undefined) {
      stack.push(node);
    } else if (node?.target !== undefined) {
      if (++links > MOST_LINKS) {
        throw new TarError(
          `${describe(path)} goes through too many symbolic links`,
          -1,
        );
      }
      if (node.target.startsWith("/")) stack.length = 1;
      todo.push(...node.target.split("/").reverse());
    } else if (node !== undefined && node.layer === layer) {
      throw new TarError(`${describe(path)} goes through a file`, -1);
    } else {
      const made = makeDirectory(layer);
      here.children!.set(name, made);
      stack.push(made);
    }
  }
  return stack.at(-1)!;
}

/** A file that is there, whatever layer brought it. */
function find(
  root: TreeNode,
  path: readonly string[],
): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of path) node = node?.children?.get(name);
  return node;
}

function put(
  root: TreeNode,
  entry: LayerEntry & { kind: "file" },
  layer: number,
): void {
  const { path } = entry;
  const { mode, uid, gid, mtime, mtimeNs, xattrs, size, offset, device } =
    entry;
  const known = { mode, uid, gid, mtime, mtimeNs, xattrs, layer };
  if (path.length === 0) {
    Object.assign(root, known);
    return;
  }
  const parent = enter(root, path.slice(0, -1), layer);
  const name = path.at(-1)!;
  const old = parent.children!.get(name);
  const isDirectory = (mode & Mode.TYPE) === Mode.DIRECTORY;
  if (isDirectory && old?.children !== undefined) {
    Object.assign(old, known);
    return;
  }
  parent.children!.set(name, {
    ...known,
    size,
    offset,
    device,
    ...(isDirectory ? { children: new Map<string, TreeNode>() } : {}),
    ...(entry.target === undefined ? {} : { target: entry.target }),
  });
}

/**
 * Puts a layer on a tree: what overlay would show of the two.
 *
 * @param root The tree, which is changed.
 * @param entries What the layer does.
 * @param layer Its number, from 0.
 */
export function applyEntries(
  root: TreeNode,
  entries: readonly LayerEntry[],
  layer: number,
): void {
  for (const entry of entries) {
    switch (entry.kind) {
      case "file":
        put(root, entry, layer);
        break;
      case "link": {
        const target = find(root, entry.target);
        if (target === undefined || target.children !== undefined) {
          throw new TarError(
            `${describe(entry.path)} is a link to ${
              describe(entry.target)
            }, which is ${target === undefined ? "not there" : "a directory"}`,
            -1,
          );
        }
        enter(root, entry.path.slice(0, -1), layer)
          .children!.set(entry.path.at(-1)!, target);
        break;
      }
      case "hide": {
        const parent = find(root, entry.path.slice(0, -1));
        const hidden = parent?.children?.get(entry.path.at(-1)!);
        if (hidden !== undefined && !survives(hidden, layer)) {
          parent!.children!.delete(entry.path.at(-1)!);
        }
        break;
      }
      case "opaque":
        purge(enter(root, entry.path, layer), layer);
        break;
    }
  }
}
