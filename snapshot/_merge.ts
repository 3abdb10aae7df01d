import { TarError } from "@containerkit/tar";
import { createPathResolver, type PathNode } from "@containerkit/tar/layer";
import type { LayerEntry } from "./_layer_entries.ts";
import { fromByteText } from "./_names.ts";
import { makeDirectory, Mode, type TreeNode } from "./_tree.ts";

/** How many symbolic links the kernel follows in one path. */
const MOST_LINKS = 40;
/** How many parts they may have together. */
const MOST_PARTS = 4096;
const NOTHING: ReadonlySet<TreeNode> = new Set();

type FileEntry = LayerEntry & { readonly kind: "file" };
type LinkEntry = LayerEntry & { readonly kind: "link" };

function describe(path: readonly string[]): string {
  return JSON.stringify(fromByteText(path.join("/")));
}

/**
 * Finds a directory. A symbolic link is followed, without leaving the root.
 *
 * @param missing Makes a directory where none is: where nothing or a file is.
 * @param hidden What counts as not there.
 */
function walk(
  root: TreeNode,
  path: readonly string[],
  missing: (parent: TreeNode, name: string) => TreeNode | undefined,
  hidden: ReadonlySet<TreeNode> = NOTHING,
): TreeNode | undefined {
  const todo = path.toReversed();
  const stack = [root];
  let links = 0;
  let linked = 0;
  while (todo.length > 0) {
    const name = todo.pop()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (stack.length > 1) stack.pop();
      continue;
    }
    const here = stack.at(-1)!;
    const found = here.children!.get(name);
    const node = found && hidden.has(found) ? undefined : found;
    if (node?.target !== undefined) {
      const target = node.target.split("/");
      linked += target.length;
      if (++links > MOST_LINKS || linked > MOST_PARTS) {
        throw new TarError(
          `${describe(path)} goes through too many symbolic links`,
          -1,
        );
      }
      if (node.target.startsWith("/")) stack.length = 1;
      todo.push(...target.reverse());
      continue;
    }
    const next = node?.children === undefined ? missing(here, name) : node;
    if (next === undefined) return undefined;
    stack.push(next);
  }
  return stack.at(-1);
}

/** A file that is there; a link at the end of its path is not followed. */
function find(
  root: TreeNode,
  path: readonly string[],
  hidden: ReadonlySet<TreeNode> = NOTHING,
): TreeNode | undefined {
  const name = path.at(-1);
  if (name === undefined) return root;
  const folder = walk(root, path.slice(0, -1), () => undefined, hidden);
  const found = folder?.children?.get(name);
  return found && hidden.has(found) ? undefined : found;
}

/** Finds the directory of an entry, and makes what is missing of it; a file of a lower layer is replaced. */
function enter(
  root: TreeNode,
  path: readonly string[],
  layer: number,
): Map<string, TreeNode> {
  const parent = walk(root, path.slice(0, -1), (parent, name) => {
    if (parent.children!.get(name)?.layer === layer) {
      throw new TarError(`${describe(path)} goes through a file`, -1);
    }
    const made = makeDirectory(layer);
    parent.children!.set(name, made);
    return made;
  });
  return parent!.children!;
}

function put(root: TreeNode, entry: FileEntry, layer: number): void {
  const { path } = entry;
  const { mode, uid, gid, mtime, mtimeNs, xattrs, size, offset, device } =
    entry;
  const known = { mode, uid, gid, mtime, mtimeNs, xattrs, layer };
  if (path.length === 0) {
    Object.assign(root, known);
    return;
  }
  const siblings = enter(root, path, layer);
  const name = path.at(-1)!;
  const old = siblings.get(name);
  const isDirectory = (mode & Mode.TYPE) === Mode.DIRECTORY;
  if (isDirectory && old?.children !== undefined) {
    Object.assign(old, known);
    return;
  }
  siblings.set(name, {
    ...known,
    size,
    offset,
    device,
    ...(isDirectory ? { children: new Map<string, TreeNode>() } : {}),
    ...(entry.target === undefined ? {} : { target: entry.target }),
  });
}

function link(
  root: TreeNode,
  { path, target }: LinkEntry,
  { layer, below }: { layer: number; below: TreeNode | undefined },
): void {
  const siblings = enter(root, path, layer);
  const found = find(root, target) ?? below;
  if (found === undefined || found.children !== undefined) {
    throw new TarError(
      `${describe(path)} is a link to ${describe(target)}, which is ${
        found === undefined ? "not there" : "a directory"
      }`,
      -1,
    );
  }
  siblings.set(path.at(-1)!, found);
}

type MarkEntry = LayerEntry & { readonly kind: "hide" | "opaque" };

/** The directory that a mark lies in. */
const folderOf = ({ kind, path }: MarkEntry) =>
  kind === "opaque" ? path : path.slice(0, -1);

/** Finds what is there, following no links. */
function look(root: TreeNode, path: readonly string[]): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of path) node = node?.children?.get(name);
  return node;
}

/** What hard links of a layer lead to below it, as far as no mark before them hides it. */
function targetsBelow(
  root: TreeNode,
  entries: readonly LayerEntry[],
): ReadonlyMap<LayerEntry, TreeNode | undefined> {
  const targets = new Map<LayerEntry, TreeNode | undefined>();
  const hidden = new Set<TreeNode>();
  for (const entry of entries) {
    if (entry.kind === "link") {
      targets.set(entry, find(root, entry.target, hidden));
    } else if (entry.kind === "hide") {
      const node = look(root, entry.path);
      if (node !== undefined) hidden.add(node);
    } else if (entry.kind === "opaque") {
      for (const node of look(root, entry.path)?.children?.values() ?? []) {
        hidden.add(node);
      }
    }
  }
  return targets;
}

/** Hides what lower layers have in a directory. A mark makes nothing where they have nothing. */
function hide(
  root: TreeNode,
  mark: MarkEntry,
  folder: readonly string[] | undefined,
): void {
  const children = folder && look(root, folder)?.children;
  if (mark.kind === "opaque") children?.clear();
  else children?.delete(mark.path.at(-1)!);
}

/** A file as paths are looked up in it. */
function viewOf({ target, children }: TreeNode): PathNode {
  return {
    symlink: target,
    child(name) {
      const child = children?.get(name);
      return child && viewOf(child);
    },
  };
}

/** Wherever they stand, marks hide what lies below, not what the layer brings. */
function hideAll(root: TreeNode, entries: readonly LayerEntry[]): void {
  const marks = entries.filter((entry): entry is MarkEntry =>
    entry.kind === "hide" || entry.kind === "opaque"
  );
  if (marks.length === 0) return;
  const own = entries.filter((entry) =>
    entry.kind === "file" || entry.kind === "link"
  ).map((entry) =>
    entry.kind === "file"
      ? {
        path: entry.path,
        isDirectory: (entry.mode & Mode.TYPE) === Mode.DIRECTORY,
        symlink: entry.target,
      }
      : { path: entry.path, isDirectory: false, link: entry.target }
  );
  for (const mark of marks) hide(root, mark, folderOf(mark));
  // All are looked up before one of them hides what another goes through.
  const resolve = createPathResolver(own, viewOf(root));
  const folders = marks.map((mark) => resolve(folderOf(mark)));
  for (const [index, mark] of marks.entries()) {
    hide(root, mark, folders[index]);
  }
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
  // The layer may hide what it has linked to.
  const below = targetsBelow(root, entries);
  hideAll(root, entries);
  for (const entry of entries) {
    if (entry.kind === "file") put(root, entry, layer);
    else if (entry.kind === "link") {
      link(root, entry, { layer, below: below.get(entry) });
    }
  }
}
