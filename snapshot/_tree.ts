/** Kinds of files, as in `st_mode`. */
export const Mode = {
  TYPE: 0o170000,
  SOCKET: 0o140000,
  LINK: 0o120000,
  FILE: 0o100000,
  BLOCK: 0o060000,
  DIRECTORY: 0o040000,
  CHARACTER: 0o020000,
  FIFO: 0o010000,
} as const;

/** A file of a tree that is built from the archives of layers. Names and targets have one character per byte. */
export interface TreeNode {
  /** Kind and permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970. */
  mtime: number;
  mtimeNs: number;
  xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  /** Which layer brought it, from 0. */
  layer: number;
  /** Of a directory. */
  children?: Map<string, TreeNode>;
  /** Target of a symbolic link. */
  target?: string;
  /** Bytes of a file. */
  size: number;
  /** Where in the archive of `layer` the file begins. */
  offset: number;
  /** Of a device, as the kernel encodes it. */
  device: number;
}

/** A directory that nothing is known of, as those above an entry are made. */
export function makeDirectory(
  layer: number,
): TreeNode & { children: Map<string, TreeNode> } {
  return {
    mode: Mode.DIRECTORY | 0o755,
    uid: 0,
    gid: 0,
    mtime: 0,
    mtimeNs: 0,
    xattrs: undefined,
    layer,
    children: new Map(),
    size: 0,
    offset: 0,
    device: 0,
  };
}
