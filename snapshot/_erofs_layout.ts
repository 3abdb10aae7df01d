/** Where each file of a tree stands in an EROFS image. */
import {
  align,
  BLOCK,
  blocksFor,
  DIRENT_SIZE,
  INODE_SIZE,
  INODE_UNIT,
} from "./_erofs_format.ts";
import { encodeXattrs } from "./_erofs_xattrs.ts";
import type { TreeNode } from "./_tree.ts";

/** "No block". */
const NOWHERE = 0xffff_ffff;
const MOST_BLOCKS = 0xffff_ffff;

/** A file with the place it gets in the image. */
export interface Placed {
  readonly node: TreeNode;
  /** Attributes as stored. */
  readonly xattrs: Uint8Array | undefined;
  /** Byte of the inode in the image. */
  position: number;
  /** How many names it has. */
  links: number;
  /** Of a directory: its entries in order, cut into blocks. */
  blocks?: readonly (readonly (readonly [string, TreeNode])[])[];
  /** Of a directory: its size in bytes. */
  size: number;
  /** First block of what is stored outside of the inode. */
  start: number;
}

function listDirectory(
  node: TreeNode,
  parent: TreeNode,
): [string, TreeNode][] {
  const entries: [string, TreeNode][] = [
    [".", node],
    ["..", parent],
    ...node.children!,
  ];
  // One character per byte: this is the order of bytes, which the kernel searches by.
  return entries.sort(([a], [b]) => a < b ? -1 : 1);
}

function cutDirectory(
  entries: readonly [string, TreeNode][],
): { blocks: [string, TreeNode][][]; size: number } {
  const blocks: [string, TreeNode][][] = [];
  let current: [string, TreeNode][] = [];
  let used = 0;
  for (const entry of entries) {
    const needed = DIRENT_SIZE + entry[0].length;
    if (used + needed > BLOCK) {
      blocks.push(current);
      current = [];
      used = 0;
    }
    current.push(entry);
    used += needed;
  }
  blocks.push(current);
  return { blocks, size: (blocks.length - 1) * BLOCK + used };
}

/** Every file once, directories before what is in them; the order is that of the names. */
export function collect(root: TreeNode): Map<TreeNode, Placed> {
  const placed = new Map<TreeNode, Placed>();
  const visit = (node: TreeNode, parent: TreeNode) => {
    const known = placed.get(node);
    if (known !== undefined) {
      known.links++;
      return;
    }
    const it: Placed = {
      node,
      xattrs: encodeXattrs(node),
      position: 0,
      links: 1,
      size: node.target?.length ?? node.size,
      start: NOWHERE,
    };
    placed.set(node, it);
    if (node.children === undefined) return;
    const entries = listDirectory(node, parent);
    Object.assign(it, cutDirectory(entries));
    it.links = 2;
    for (const [name, child] of entries) {
      if (name === "." || name === "..") continue;
      if (child.children !== undefined) it.links++;
      visit(child, node);
    }
  };
  visit(root, root);
  return placed;
}

/** The target of a symbolic link stands behind its inode and must end in the same block: older kernels refuse others. */
export function inlineSize(it: Placed): number {
  const size = it.node.target?.length ?? 0;
  return INODE_SIZE + (it.xattrs?.length ?? 0) + size <= BLOCK ? size : 0;
}

/** Gives every file its place; gives the number of blocks of the image. */
export function layOut(files: Iterable<Placed>, start: number): number {
  let position = start;
  const outside: Placed[] = [];
  for (const it of files) {
    const body = INODE_SIZE + (it.xattrs?.length ?? 0);
    const inline = inlineSize(it);
    position = align(position, INODE_UNIT);
    if (inline > 0 && position % BLOCK + body + inline > BLOCK) {
      position = align(position, BLOCK);
    }
    it.position = position;
    position += body + inline;
    if (it.blocks !== undefined) outside.push(it);
    else if (it.node.target !== undefined && inline === 0) outside.push(it);
  }
  let block = blocksFor(position);
  for (const it of outside) {
    it.start = block;
    block += it.blocks?.length ?? blocksFor(it.size);
  }
  return block;
}

/** Where each archive begins in the address space of the image, behind the image itself. */
export function addressDevices(
  blocks: number,
  archives: readonly number[],
): number[] {
  let next = blocks;
  const addresses = archives.map((size) => {
    const address = next;
    next += blocksFor(size);
    return address;
  });
  if (next > MOST_BLOCKS) {
    throw new RangeError(
      "Cannot index the layers: together they are larger than 2 TiB",
    );
  }
  return addresses;
}
