import { Buffer } from "node:buffer";
import {
  align,
  BLOCK,
  blocksFor,
  DIRENT_SIZE,
  INODE_SIZE,
  INODE_UNIT,
  MAGIC,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  XATTR_HEADER,
} from "./_erofs_format.ts";
import {
  addressDevices,
  collect,
  inlineSize,
  layOut,
  type Placed,
} from "./_erofs_layout.ts";
import { Mode, type TreeNode } from "./_tree.ts";

const SLOT_SIZE = 128;
const SLOT_UNIT = 128;
const COMPAT_MTIME = 2;
const INCOMPAT_DEVICE_TABLE = 8;
const LAYOUT_PLAIN = 0;
const LAYOUT_INLINE = 2;
const MOST_DEVICES = 0xffff;

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
