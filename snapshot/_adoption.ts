/** What putting a layer on its parent changes on disk, and how that is taken back. */
import { errno, SyscallError } from "@containerkit/libc";
import { writeFileAtomic } from "@containerkit/state";
import {
  AT_REMOVEDIR,
  CName,
  EEXIST,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  lstatAt,
  procPath,
  refused,
  type Stat,
  timespecs,
} from "./_files.ts";
import { removeIfThere } from "./_folders.ts";
import { hideInRoot } from "./_hide_in_root.ts";
import { isOverlayWhiteout, overlayMarks } from "./_layer_marks.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { openRoot } from "./_parent_layers.ts";
import { closing, dirOf, openPath, statAt } from "./_walk_dir.ts";
import { getXattr, listXattrs, removeXattr, setXattrOf } from "./_xattrs.ts";

const UTIME_OMIT = 0x3ffffffe;
const name_ = new CName();
const overlay = overlayMarks(false);
const contentOf = (dir: string) => `${dir}/fs`;
const recordOf = (dir: string) => `${dir}/adopted.json`;

/** Owner, mode, time and attributes of a folder. */
export interface Look
  extends Pick<Stat, "uid" | "gid" | "mode" | "mtime" | "mtimeNs"> {
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** What is to be changed. */
export interface Adoption {
  /** What folders are to look like, by path; what is not there is left out. */
  readonly looks: ReadonlyMap<string, Look>;
  /** Marks that hide nothing. */
  readonly marks: readonly string[];
  /** Folders that hold only such. */
  readonly holders: readonly string[];
  /** What is below in the root, which is hidden where the layer says that its own is opaque. */
  readonly below: () => ReadonlySet<string>;
}

/** How a folder was, as it is written down. */
interface KeptLook extends Omit<Look, "xattrs"> {
  readonly path: string;
  /** The values in hex. */
  readonly xattrs: readonly (readonly [string, string])[];
}

interface Kept {
  /** Marks that were removed. */
  readonly marks: readonly string[];
  /** Names in the root that marks were made for. */
  readonly hidden: readonly string[];
  readonly folders: readonly KeptLook[];
}

/** What stands for nothing at a path: a part of it may be a file, a mark, or a link that leads anywhere. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP"];

/** The paths are where things truly are: no link is followed. */
function openFolder(root: number, path: string): number | undefined {
  try {
    return openPath(root, path === "" ? [] : path.split("/"), path);
  } catch (error) {
    if (error instanceof SyscallError && ABSENT.includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}

/** Does something in the folder that a path lies in, if that is there. */
function inParent<T>(
  root: number,
  path: string,
  act: (fd: number, name: string) => T,
): T | undefined {
  const fd = openFolder(root, dirOf(path));
  if (fd === undefined) return undefined;
  using _folder = closing(fd);
  return act(fd, path.slice(path.lastIndexOf("/") + 1));
}

function isMark(root: number, path: string): boolean {
  return inParent(root, path, (fd, name) => {
    const stat = lstatAt(fd, name);
    return typeof stat !== "number" && isOverlayWhiteout(stat);
  }) ?? false;
}

function remove(root: number, path: string, flags: number): void {
  inParent(root, path, (fd, name) => {
    if (layerSymbols().unlinkat(fd, name_.set(name), flags) === 0) return;
    const code = errno();
    // Somebody has put something there since.
    if ([ENOENT, ENOTDIR, ENOTEMPTY].includes(code)) return;
    throw refused("remove", "unlinkat", code, path);
  });
}

/** Gives an open folder a look; attributes that it has besides stay. */
export function dressFolder(fd: number, look: Look, path: string): void {
  const { uid, gid, mode, mtime, mtimeNs, xattrs } = look;
  const libc = layerSymbols();
  for (const [key, value] of xattrs) {
    const code = setXattrOf(fd, key, new Uint8Array(value));
    if (code !== 0) {
      throw refused(`set the attribute ${key} of`, "fsetxattr", code, path);
    }
  }
  if (libc.fchown(fd, uid, gid) !== 0) {
    throw refused("set the owner of", "fchown", errno(), path);
  }
  if (libc.fchmod(fd, mode & 0o7777) !== 0) {
    throw refused("set the mode of", "fchmod", errno(), path);
  }
  if (libc.futimens(fd, timespecs(0, UTIME_OMIT, mtime, mtimeNs)) !== 0) {
    throw refused("set the times of", "futimens", errno(), path);
  }
}

function keep(root: number, path: string): KeptLook[] {
  const fd = openFolder(root, path);
  if (fd === undefined) return [];
  using _folder = closing(fd);
  const { uid, gid, mode, mtime, mtimeNs } = statAt(fd, "", path);
  const file = procPath(fd);
  const xattrs = listXattrs(file, path).map((key) =>
    [key, (getXattr(file, key, path) ?? new Uint8Array()).toHex()] as const
  );
  return [{ path, uid, gid, mode, mtime, mtimeNs, xattrs }];
}

/**
 * Puts a layer on its parent. How all was is written down before the first change: {@linkcode takeBackAdoption} makes it
 * so again, however far this came. The record is no more durable than what was applied.
 *
 * @param dir The folder that the layer's is in, with nobody else at work there.
 */
export function adoptFolders(dir: string, adoption: Adoption): void {
  const { looks, holders } = adoption;
  const root = openRoot(contentOf(dir));
  using _root = closing(root);
  const marks = adoption.marks.filter((path) => isMark(root, path));
  const above = [...marks, ...holders].map(dirOf);
  const isOpaque = overlay.isOpaque({ fd: root, path: "" });
  const below = isOpaque ? adoption.below() : [];
  const hidden = [...below].filter((name) =>
    typeof lstatAt(root, name) === "number"
  );
  const paths = new Set([...looks.keys(), ...holders, ...above, ...below]);
  if (isOpaque) paths.add("");
  // Those above come first.
  const folders = [...paths].sort().flatMap((path) => keep(root, path));
  if (folders.length === 0) return;
  const kept: Kept = { marks, hidden, folders };
  writeFileAtomic(recordOf(dir), JSON.stringify(kept), { durable: false });
  for (const path of marks) remove(root, path, 0);
  for (const path of holders.toSorted().reverse()) {
    remove(root, path, AT_REMOVEDIR);
  }
  hideInRoot(root, below, overlay);
  for (const { path, ...was } of folders.toReversed()) {
    const fd = openFolder(root, path);
    if (fd === undefined) continue;
    using _folder = closing(fd);
    // What has lost a mark stays as old as it was.
    dressFolder(fd, looks.get(path) ?? { ...was, xattrs: new Map() }, path);
  }
}

/** Makes a folder again if it went. */
function restore(root: number, path: string): void {
  inParent(root, path, (fd, name) => {
    if (path === "") return;
    if (layerSymbols().mkdirat(fd, name_.set(name), 0o700) === 0) return;
    const code = errno();
    if (code !== EEXIST) throw refused("create", "mkdirat", code, path);
  });
}

function undress(root: number, { path, xattrs, ...look }: KeptLook): void {
  const fd = openFolder(root, path);
  if (fd === undefined) return;
  using _folder = closing(fd);
  const file = procPath(fd);
  const values = new Map(xattrs);
  for (const key of listXattrs(file, path)) {
    const value = getXattr(file, key, path)?.toHex();
    if (value === values.get(key)) values.delete(key);
    else if (!values.has(key)) removeXattr(file, key, path);
  }
  const changed = [...values]
    .map(([key, value]) => [key, Uint8Array.fromHex(value)] as const);
  dressFolder(fd, { ...look, xattrs: new Map(changed) }, path);
}

function readRecord(dir: string): Kept | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(recordOf(dir)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // A power cut may leave an empty one, of a layer that is no better then.
    if (error instanceof SyntaxError) {
      return { marks: [], hidden: [], folders: [] };
    }
    throw error;
  }
}

/** Takes back what {@linkcode adoptFolders} changed, the whole of it or what it came to. Done again, it does nothing. */
export function takeBackAdoption(dir: string): void {
  const kept = readRecord(dir);
  if (kept === undefined) return;
  const root = openRoot(contentOf(dir));
  using _root = closing(root);
  for (const { path } of kept.folders) restore(root, path);
  for (const path of kept.marks) {
    inParent(root, path, (fd, name) => overlay.hide({ fd, path }, name));
  }
  for (const name of kept.hidden) {
    overlay.unhide({ fd: root, path: "" }, name);
  }
  for (const look of kept.folders.toReversed()) undress(root, look);
  forgetAdoption(dir);
}

/** Removes what was noted in order to take it back. */
export function forgetAdoption(dir: string): void {
  removeIfThere(recordOf(dir));
}
