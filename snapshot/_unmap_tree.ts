import { errno } from "@containerkit/libc";
import type { IdMap } from "@containerkit/mount";
import {
  AT_SYMLINK_NOFOLLOW,
  CName,
  listDir,
  procPath,
  refused,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Stat,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { openRoot } from "./_parent_layers.ts";
import { unmapId } from "./_unmap_id.ts";
import { closing, openDir, statAt } from "./_walk_dir.ts";
import { getXattr, setXattr } from "./_xattrs.ts";

const CAPABILITY = "security.capability";
const name_ = new CName();

/** Gives one file its ids back. */
function unmap(
  file: { fd: number; name: string; path: string; stat: Stat },
  idmap: IdMap,
): void {
  const { fd, name, path, stat: { uid, gid, mode } } = file;
  const owner = {
    uid: unmapId(uid, idmap.uids),
    gid: unmapId(gid, idmap.gids),
  };
  if (owner.uid === uid && owner.gid === gid) return;
  const at = procPath(fd, name);
  const kind = mode & S_IFMT;
  const capability = kind === S_IFREG
    ? getXattr(at, CAPABILITY, path)
    : undefined;
  const libc = layerSymbols();
  const self = name_.set(name === "" ? "." : name);
  if (
    libc.fchownat(fd, self, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) !== 0
  ) {
    throw refused("set the owner of", "fchownat", errno(), path);
  }
  // chown(2) takes these away.
  if (kind !== S_IFLNK && libc.chmod(name_.set(at), mode & 0o7777) !== 0) {
    throw refused("set the mode of", "chmod", errno(), path);
  }
  if (capability === undefined) return;
  const code = setXattr(at, CAPABILITY, new Uint8Array(capability));
  if (code !== 0) {
    throw refused(`set the attribute ${CAPABILITY} of`, "setxattr", code, path);
  }
}

/**
 * Gives the files of an upper folder the ids that a layer has.
 *
 * The lower layers of an overlay are mounted through an id map, its upper folder is not: what is written there bears
 * the ids that the map shows. Done again, it changes nothing that is in no range.
 */
export function unmapTree(path: string, idmap: IdMap): void {
  // A file with several names is given its ids once.
  const seen = new Set<bigint>();
  const visit = (fd: number, folder: string): void => {
    for (const { name } of listDir(fd, folder)) {
      const shown = `${folder}/${name}`;
      const stat = statAt(fd, name, shown);
      const isDir = (stat.mode & S_IFMT) === S_IFDIR;
      if (!isDir && stat.nlink > 1) {
        if (seen.has(stat.ino)) continue;
        seen.add(stat.ino);
      }
      unmap({ fd, name, path: shown, stat }, idmap);
      if (!isDir) continue;
      const child = openDir(fd, name, shown);
      using _child = closing(child);
      visit(child, shown);
    }
  };
  const root = openRoot(path);
  using _root = closing(root);
  unmap({ fd: root, name: "", path, stat: statAt(root, "", path) }, idmap);
  visit(root, path);
}
