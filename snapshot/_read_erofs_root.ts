import { Buffer } from "node:buffer";
import {
  BLOCK,
  INODE_SIZE,
  INODE_UNIT,
  MAGIC,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
} from "./_erofs_format.ts";

/** The attributes of the root directory of an image that `writeErofs()` made. */
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
