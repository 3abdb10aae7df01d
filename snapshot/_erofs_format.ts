/** Sizes and numbers of EROFS that those who write and read an image share. */

/** The unit of tar, so that a file in an archive begins at a block. */
export const BLOCK = 512;
/** Where the superblock is. */
export const SUPERBLOCK = 1024;
/** How long it is. */
export const SUPERBLOCK_SIZE = 128;
/** Inodes are addressed in this unit. */
export const INODE_UNIT = 32;
/** How long an inode is. */
export const INODE_SIZE = 64;
/** What stands before the attributes of a file. */
export const XATTR_HEADER = 12;
/** How long the entry of a name in a directory is, without the name. */
export const DIRENT_SIZE = 12;
/** What a superblock begins with. */
export const MAGIC = 0xe0f5e1e2;

/** How many blocks so many bytes take. */
export function blocksFor(bytes: number): number {
  return Math.ceil(bytes / BLOCK);
}

/** The next position at a multiple of a unit. */
export function align(position: number, unit: number): number {
  return Math.ceil(position / unit) * unit;
}
