/** How a directory that holds one layer says what the layer hides. */
import { errno } from "@containerkit/libc";
import { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from "@containerkit/tar/layer";
import {
  CName,
  EEXIST,
  ENOENT,
  lstatAt,
  O_CLOEXEC,
  O_NOFOLLOW,
  procPath,
  refused,
  S_IFCHR,
  S_IFMT,
  type Stat,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { getXattr, setXattrOf } from "./_xattrs.ts";

/** An open directory and its name for errors. */
export interface OpenDir {
  readonly fd: number;
  readonly path: string;
}

/** One way to say it. */
export interface LayerMarks {
  /** Says that a name is hidden; nothing is there. */
  hide(dir: OpenDir, name: string): void;
  /** Takes the mark of a hidden name back, if it is there. */
  unhide(dir: OpenDir, name: string): void;
  /** Something was made where a name was hidden. */
  createdOver(dir: OpenDir, name: string): void;
  /** Says that all below a directory is hidden. */
  makeOpaque(dir: OpenDir): void;
  /** Whether what is there is the mark of a hidden name. */
  isMark(stat: Stat): boolean;
  /** Whether a name is hidden, in a layer that was applied before. */
  hides(dir: OpenDir, name: string): boolean;
  /** Whether a directory hides all below it, in a layer that was applied before. */
  isOpaque(dir: OpenDir): boolean;
  /** Whether the root of a layer shows what is below it though a mark says that it is opaque. */
  readonly isRootMerged?: boolean;
  /** Whether an attribute belongs to the way of saying it. */
  isInternal(key: string): boolean;
}

/** A plain directory: what is hidden is removed, so there is nothing to say. */
export const directoryMarks: LayerMarks = {
  hide() {},
  unhide() {},
  createdOver() {},
  makeOpaque() {},
  isMark: () => false,
  hides: () => false,
  isOpaque: () => false,
  isInternal: () => false,
};

const name_ = new CName();

/** Whether it is overlay's mark of a hidden file. */
export function isOverlayWhiteout(stat: Stat): boolean {
  return (stat.mode & S_IFMT) === S_IFCHR && stat.major === 0 &&
    stat.minor === 0;
}

/** The upper directory of an overlay: device 0:0, and an attribute. */
export function overlayMarks(userxattr: boolean): LayerMarks {
  const prefix = userxattr ? "user.overlay." : "trusted.overlay.";
  const opaque = `${prefix}opaque`;
  return {
    hide({ fd, path }, name) {
      const libc = layerSymbols();
      if (libc.mknodat(fd, name_.set(name), S_IFCHR, 0n) === 0) return;
      const code = errno();
      if (code === EEXIST) return;
      throw refused("hide", "mknodat", code, `${path}/${name}`);
    },
    unhide(dir, name) {
      if (this.hides(dir, name)) unlink(dir, name);
    },
    // It stood where the mark was.
    createdOver() {},
    makeOpaque({ fd, path }) {
      const code = setXattrOf(fd, opaque, new Uint8Array([0x79]));
      if (code !== 0) throw refused("make opaque", "fsetxattr", code, path);
    },
    isMark: isOverlayWhiteout,
    hides({ fd }, name) {
      const stat = lstatAt(fd, name);
      return typeof stat !== "number" && isOverlayWhiteout(stat);
    },
    isOpaque({ fd, path }) {
      return getXattr(procPath(fd), opaque, path)?.[0] === 0x79;
    },
    isRootMerged: true,
    isInternal: (key) => key.startsWith(prefix),
  };
}

const O_WRONLY_CREAT = 0o101;

function touch({ fd, path }: OpenDir, name: string): void {
  const libc = layerSymbols();
  const file = libc.openat(
    fd,
    name_.set(name),
    O_WRONLY_CREAT | O_NOFOLLOW | O_CLOEXEC,
    0o444,
  );
  if (file < 0) throw refused("create", "openat", errno(), `${path}/${name}`);
  libc.close(file);
}

function unlink({ fd, path }: OpenDir, name: string): void {
  if (layerSymbols().unlinkat(fd, name_.set(name), 0) === 0) return;
  const code = errno();
  if (code !== ENOENT) {
    throw refused("remove", "unlinkat", code, `${path}/${name}`);
  }
}

/** A branch of aufs: the marks of the layer itself. */
export const aufsMarks: LayerMarks = {
  hide(dir, name) {
    touch(dir, `${WHITEOUT_PREFIX}${name}`);
  },
  unhide(dir, name) {
    unlink(dir, `${WHITEOUT_PREFIX}${name}`);
  },
  createdOver(dir, name) {
    this.unhide(dir, name);
  },
  makeOpaque(dir) {
    touch(dir, OPAQUE_WHITEOUT);
  },
  isMark: () => false,
  hides: ({ fd }, name) =>
    typeof lstatAt(fd, `${WHITEOUT_PREFIX}${name}`) !== "number",
  isOpaque: ({ fd }) => typeof lstatAt(fd, OPAQUE_WHITEOUT) !== "number",
  isInternal: () => false,
};
