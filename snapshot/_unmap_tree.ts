import { errno } from "@containerkit/libc";
import type { IdMap } from "@containerkit/mount";
import { writeFileAtomic } from "@containerkit/state";
import {
  AT_SYMLINK_NOFOLLOW,
  CName,
  procPath,
  refused,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "./_files.ts";
import { CAPABILITY, mapCapability } from "./_capability.ts";
import { removeIfThere } from "./_folders.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { Pace } from "./_pace.ts";
import { unmapId } from "./_unmap_id.ts";
import { type TreeFile, walkTree } from "./_walk_tree.ts";
import { getXattr, setXattr } from "./_xattrs.ts";

const name_ = new CName();

/** What a change of the owner changes. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Its capabilities, in hexadecimal. */
  readonly capability?: string;
}

/** The files of an upper folder that an id map changes, as they were, by the number of the inode. */
type Owners = ReadonlyMap<string, Owner>;

/** What lets others have their turn. */
interface Work {
  readonly pace: Pace;
  readonly signal: AbortSignal | undefined;
}

const contentOf = (dir: string) => `${dir}/fs`;
const recordOf = (dir: string) => `${dir}/owners.json`;

function ownerOf({ fd, name, path, stat }: TreeFile): Owner {
  const { uid, gid, mode } = stat;
  const capability = (mode & S_IFMT) === S_IFREG
    ? getXattr(procPath(fd, name), CAPABILITY, path)
    : undefined;
  return {
    uid,
    gid,
    mode: mode & 0o7777,
    ...(capability && { capability: capability.toHex() }),
  };
}

function unmapOwner(owner: Owner, idmap: IdMap): Owner {
  const uid = unmapId(owner.uid, idmap.uids);
  const gid = unmapId(owner.gid, idmap.gids);
  const { capability } = owner;
  if (capability === undefined) return { ...owner, uid, gid };
  const value = mapCapability(
    Uint8Array.fromHex(capability),
    (root) => unmapId(root, idmap.uids),
  );
  return { ...owner, uid, gid, capability: value.toHex() };
}

function setOwner({ fd, name, path, stat }: TreeFile, owner: Owner): void {
  const { uid, gid, mode, capability } = owner;
  const at = procPath(fd, name);
  const libc = layerSymbols();
  const self = name_.set(name === "" ? "." : name);
  if (
    (uid !== stat.uid || gid !== stat.gid) &&
    libc.fchownat(fd, self, uid, gid, AT_SYMLINK_NOFOLLOW) !== 0
  ) {
    throw refused("set the owner of", "fchownat", errno(), path);
  }
  // chown(2) takes these away.
  const kind = stat.mode & S_IFMT;
  if (kind !== S_IFLNK && libc.chmod(name_.set(at), mode) !== 0) {
    throw refused("set the mode of", "chmod", errno(), path);
  }
  if (capability === undefined) return;
  const code = setXattr(at, CAPABILITY, Uint8Array.fromHex(capability));
  if (code !== 0) {
    throw refused(`set the attribute ${CAPABILITY} of`, "setxattr", code, path);
  }
}

/** The files that an id map changes. */
async function findOwners(
  path: string,
  idmap: IdMap,
  { pace, signal }: Work,
): Promise<Owners> {
  const owners = new Map<string, Owner>();
  for (const file of walkTree(path)) {
    if (pace.isOver) await pace.rest(signal);
    const { uid, gid, ino } = file.stat;
    if (
      unmapId(uid, idmap.uids) === uid && unmapId(gid, idmap.gids) === gid
    ) continue;
    owners.set(String(ino), ownerOf(file));
  }
  return owners;
}

function readOwners(dir: string): Owners | undefined {
  try {
    return new Map(JSON.parse(Deno.readTextFileSync(recordOf(dir))));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Gives the files of an upper folder the ids that a layer has.
 *
 * The lower layers of an overlay are mounted through an id map, its upper folder is not: what is written there bears
 * the ids that the map shows. An id may be both one that is shown and one of the layer, so that a file does not tell
 * whether it was changed already. How all were is on the disk before the first is changed: {@linkcode remapTree} makes
 * them so again, however far this came.
 *
 * @param dir The folder that the upper one is in, with nobody else at work there.
 */
export async function unmapTree(
  dir: string,
  idmap: IdMap,
  signal: AbortSignal | undefined,
): Promise<void> {
  const pace = new Pace();
  const owners = await findOwners(contentOf(dir), idmap, { pace, signal });
  if (owners.size === 0) return;
  writeFileAtomic(recordOf(dir), JSON.stringify([...owners]));
  for (const file of walkTree(contentOf(dir))) {
    if (pace.isOver) await pace.rest(signal);
    const owner = owners.get(String(file.stat.ino));
    if (owner !== undefined) setOwner(file, unmapOwner(owner, idmap));
  }
}

/** Takes back what {@linkcode unmapTree} changed, the whole of it or what it came to. Done again, it does nothing. */
export function remapTree(dir: string): void {
  const owners = readOwners(dir);
  if (owners === undefined) return;
  for (const file of walkTree(contentOf(dir))) {
    const owner = owners.get(String(file.stat.ino));
    if (owner !== undefined) setOwner(file, owner);
  }
  forgetOwners(dir);
}

/** Removes what was noted in order to take it back. */
export function forgetOwners(dir: string): void {
  removeIfThere(recordOf(dir));
}
