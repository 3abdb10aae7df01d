/**
 * What a tar archive says about one entry.
 *
 * @module
 */

/** Kinds of entries, by the `typeflag` byte of tar(5). */
export const TypeFlag = {
  /** A regular file. */
  FILE: "0",
  /** A further name of an earlier entry. */
  LINK: "1",
  /** A symbolic link. */
  SYMLINK: "2",
  /** A character device. */
  CHARACTER_DEVICE: "3",
  /** A block device. */
  BLOCK_DEVICE: "4",
  /** A directory. */
  DIRECTORY: "5",
  /** A named pipe. */
  FIFO: "6",
} as const;

/** A run of bytes of a sparse file that the archive holds; all else is zero. */
export interface SparseRange {
  /** Where in the file it starts. */
  readonly offset: number;
  /** How many bytes. */
  readonly length: number;
}

/**
 * What an archive says about one entry, whichever of v7, ustar, PAX and GNU it is written in.
 *
 * The names are those of `@std/tar`. Text that is not valid UTF-8 keeps each wrong
 * byte as a lone surrogate from U+DC80 to U+DCFF, so that it can be written back unchanged.
 */
export interface TarHeader {
  /** The path as the archive has it: not cleaned, perhaps absolute, perhaps with `..`. */
  readonly name: string;
  /** Kind, see {@linkcode TypeFlag}; those of old regular files read as {@linkcode TypeFlag.FILE}. */
  readonly typeflag: string;
  /** Permission bits with set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  /** Owner. */
  readonly uid: number;
  /** Group. */
  readonly gid: number;
  /** Bytes of the file; of a sparse file with its holes. 0 for what has no body. */
  readonly size: number;
  /** Modification time in whole seconds since 1970, rounded down. */
  readonly mtime: number;
  /** Nanoseconds to add to `mtime`. */
  readonly mtimeNs: number;
  /** Target of a link, else empty. */
  readonly linkname: string;
  /** Name of the owner, may be empty. */
  readonly uname: string;
  /** Name of the group, may be empty. */
  readonly gname: string;
  /** Major number of a device. */
  readonly devmajor: number;
  /** Minor number of a device. */
  readonly devminor: number;
  /** Extended attributes by name, such as `user.comment`. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Where the data of a sparse file lies, ascending. */
  readonly sparse?: readonly SparseRange[];
  /** All other records of a PAX header by key, such as `atime` or `comment`. */
  readonly pax?: ReadonlyMap<string, string>;
}
