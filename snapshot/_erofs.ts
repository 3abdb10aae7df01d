import { Buffer } from "node:buffer";
import { Mode, type TreeNode } from "./_tree.ts";

/** The unit of tar, so that a file in an archive begins at a block. */
const BLOCK = 512;
const SUPERBLOCK = 1024;
const SUPERBLOCK_SIZE = 128;
const SLOT_SIZE = 128;
const SLOT_UNIT = 128;
/** Inodes are addressed in this unit. */
const INODE_UNIT = 32;
const INODE_SIZE = 64;
const XATTR_HEADER = 12;
/** What the byte before the name of an attribute holds. */
const LONGEST_NAME = 255;
const DIRENT_SIZE = 12;
const MAGIC = 0xe0f5e1e2;
const COMPAT_MTIME = 2;
const INCOMPAT_DEVICE_TABLE = 8;
const LAYOUT_PLAIN = 0;
const LAYOUT_INLINE = 2;
/** "No block". */
const NOWHERE = 0xffff_ffff;
const MOST_BLOCKS = 0xffff_ffff;
const MOST_DEVICES = 0xffff;

/** Prefixes of attribute names, and the numbers that stand for them. */
const PREFIXES: readonly (readonly [string, number])[] = [
  ["user.", 1],
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
  ["trusted.", 4],
  ["security.", 6],
];

/** `EROFS_FT_*` by the kind of a file. */
const FILE_TYPES: Readonly<Record<number, number>> = {
  [Mode.FILE]: 1,
  [Mode.DIRECTORY]: 2,
  [Mode.CHARACTER]: 3,
  [Mode.BLOCK]: 4,
  [Mode.FIFO]: 5,
  [Mode.SOCKET]: 6,
  [Mode.LINK]: 7,
};

/** A file with the place it gets in the image. */
interface Placed {
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

function blocksFor(bytes: number): number {
  return Math.ceil(bytes / BLOCK);
}

function align(position: number, unit: number): number {
  return Math.ceil(position / unit) * unit;
}

function encodeXattrs(node: TreeNode): Uint8Array | undefined {
  if (node.xattrs === undefined) return;
  const parts: Buffer[] = [Buffer.alloc(XATTR_HEADER)];
  for (const name of [...node.xattrs.keys()].sort()) {
    const value = node.xattrs.get(name)!;
    const [prefix, index] = PREFIXES.find(([start]) => name.startsWith(start))!;
    const rest = Buffer.from(name.slice(prefix.length), "latin1");
    if (rest.length > LONGEST_NAME) {
      throw new RangeError(
        `Cannot index the layer: an attribute has a name of more than ${LONGEST_NAME} bytes`,
      );
    }
    const part = Buffer.alloc(align(4 + rest.length + value.length, 4));
    part[0] = rest.length;
    part[1] = index;
    part.writeUInt16LE(value.length, 2);
    rest.copy(part, 4);
    part.set(value, 4 + rest.length);
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  if ((body.length - XATTR_HEADER) / 4 + 1 > 0xffff) {
    throw new RangeError(
      "Cannot index the layer: a file has more than 256 KiB of attributes",
    );
  }
  return body;
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
function collect(root: TreeNode): Map<TreeNode, Placed> {
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
function inlineSize(it: Placed): number {
  const size = it.node.target?.length ?? 0;
  return INODE_SIZE + (it.xattrs?.length ?? 0) + size <= BLOCK ? size : 0;
}

/** Gives every file its place; gives the number of blocks of the image. */
function layOut(files: Iterable<Placed>, start: number): number {
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
function addressDevices(
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

/** Numbers of up to 53 bits; the sign reaches into the upper half. */
function writeLong(image: Buffer, value: number, at: number): void {
  image.writeUInt32LE(value >>> 0, at);
  image.writeInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function writeDirectory(
  image: Buffer,
  it: Placed,
  options: { placed: ReadonlyMap<TreeNode, Placed>; meta: number },
): void {
  const { placed, meta } = options;
  it.blocks!.forEach((entries, index) => {
    const start = (it.start + index) * BLOCK;
    let name = entries.length * DIRENT_SIZE;
    entries.forEach(([text, node], entry) => {
      const at = start + entry * DIRENT_SIZE;
      writeLong(image, (placed.get(node)!.position - meta) / INODE_UNIT, at);
      image.writeUInt16LE(name, at + 8);
      image[at + 10] = FILE_TYPES[node.mode & Mode.TYPE]!;
      image.write(text, start + name, "latin1");
      name += text.length;
    });
  });
}

function writeInode(
  image: Buffer,
  it: Placed,
  options: { number: number; addresses: readonly number[] },
): void {
  const { node, position, xattrs } = it;
  const type = node.mode & Mode.TYPE;
  const inline = inlineSize(it) > 0;
  const layout = inline ? LAYOUT_INLINE : LAYOUT_PLAIN;
  let place = it.start;
  if (type === Mode.FILE && node.size > 0) {
    place = options.addresses[node.layer]! + node.offset / BLOCK;
  } else if (type === Mode.CHARACTER || type === Mode.BLOCK) {
    place = node.device;
  }
  image.writeUInt16LE(1 | layout << 1, position);
  const count = xattrs === undefined
    ? 0
    : (xattrs.length - XATTR_HEADER) / 4 + 1;
  image.writeUInt16LE(count, position + 2);
  image.writeUInt16LE(node.mode, position + 4);
  writeLong(image, it.size, position + 8);
  image.writeUInt32LE(place, position + 16);
  image.writeUInt32LE(options.number, position + 20);
  image.writeUInt32LE(node.uid, position + 24);
  image.writeUInt32LE(node.gid, position + 28);
  writeLong(image, node.mtime, position + 32);
  image.writeUInt32LE(node.mtimeNs, position + 40);
  image.writeUInt32LE(it.links, position + 44);
  if (xattrs !== undefined) image.set(xattrs, position + INODE_SIZE);
  if (node.target === undefined) return;
  const at = inline
    ? position + INODE_SIZE + (xattrs?.length ?? 0)
    : it.start * BLOCK;
  image.write(node.target, at, "latin1");
}

/**
 * Writes the metadata of an EROFS image whose files lie in archives: the kernel mounts it with the archives as
 * further devices. The format is the kernel's `fs/erofs/erofs_fs.h`; the same tree gives the same bytes.
 *
 * @param root The tree; the layer of a file says which archive it is in.
 * @param archives Sizes of the archives in bytes.
 */
export function writeErofs(
  root: TreeNode,
  archives: readonly number[],
): Uint8Array<ArrayBuffer> {
  if (archives.length > MOST_DEVICES) {
    throw new RangeError(
      `Cannot index ${archives.length} layers: ${MOST_DEVICES} is the limit`,
    );
  }
  const slots = SUPERBLOCK + SUPERBLOCK_SIZE;
  const meta = align(slots + SLOT_SIZE * archives.length, BLOCK);
  const placed = collect(root);
  const blocks = layOut(placed.values(), meta);
  const addresses = addressDevices(blocks, archives);
  const bytes = new Uint8Array(blocks * BLOCK);
  const image = Buffer.from(bytes.buffer);
  image.writeUInt32LE(MAGIC, SUPERBLOCK);
  image.writeUInt32LE(COMPAT_MTIME, SUPERBLOCK + 8);
  image[SUPERBLOCK + 12] = Math.log2(BLOCK);
  image.writeUInt16LE(
    (placed.get(root)!.position - meta) / INODE_UNIT,
    SUPERBLOCK + 14,
  );
  writeLong(image, placed.size, SUPERBLOCK + 16);
  image.writeUInt32LE(blocks, SUPERBLOCK + 36);
  image.writeUInt32LE(meta / BLOCK, SUPERBLOCK + 40);
  if (archives.length > 0) {
    image.writeUInt32LE(INCOMPAT_DEVICE_TABLE, SUPERBLOCK + 80);
    image.writeUInt16LE(archives.length, SUPERBLOCK + 86);
    image.writeUInt16LE(slots / SLOT_UNIT, SUPERBLOCK + 88);
  }
  archives.forEach((size, index) => {
    const slot = slots + index * SLOT_SIZE;
    image.writeUInt32LE(blocksFor(size), slot + 64);
    image.writeUInt32LE(addresses[index]!, slot + 68);
  });
  let number = 1;
  for (const it of placed.values()) {
    writeInode(image, it, { number: number++, addresses });
    if (it.blocks !== undefined) writeDirectory(image, it, { placed, meta });
  }
  return bytes;
}

/** The attributes of the root directory of an image that {@linkcode writeErofs} made. */
export function readErofsRoot(
  path: string,
): { mode: number; uid: number; gid: number } {
  using file = Deno.openSync(path);
  const read = (at: number, length: number) => {
    const bytes = Buffer.alloc(length);
    file.seekSync(at, Deno.SeekMode.Start);
    if (file.readSync(bytes) !== length) {
      throw new Deno.errors.UnexpectedEof(
        `Cannot read the index "${path}": it is cut off`,
      );
    }
    return bytes;
  };
  const superblock = read(SUPERBLOCK, SUPERBLOCK_SIZE);
  if (superblock.readUInt32LE(0) !== MAGIC) {
    throw new Deno.errors.InvalidData(
      `Cannot read the index "${path}": it is no EROFS image`,
    );
  }
  const inode = read(
    superblock.readUInt32LE(40) * BLOCK +
      superblock.readUInt16LE(14) * INODE_UNIT,
    INODE_SIZE,
  );
  return {
    mode: inode.readUInt16LE(4) & 0o7777,
    uid: inode.readUInt32LE(24),
    gid: inode.readUInt32LE(28),
  };
}
