import {
  chmodAt,
  chownAt,
  FileType,
  getXattr,
  setXattr,
  statAt,
} from "@containerkit/libc";
import type { IdMap, IdMapRange } from "@containerkit/mount";

const CAPABILITY = "security.capability";

function unmapId(id: number, ranges: readonly IdMapRange[]): number {
  const range = ranges.find(({ outside, size }) =>
    id >= outside && id < outside + size
  );
  return range === undefined ? id : id - range.outside + range.inside;
}

/**
 * Gives the files of an upper folder the ids that a layer has.
 *
 * The lower layers of an overlay are mounted through an id map, its upper folder is not: what is written there bears
 * the ids that the map shows. Done again, it changes nothing that is in no range.
 */
export function unmapTree(path: string, idmap: IdMap): void {
  const { uid, gid, mode } = statAt(undefined, path);
  const owner = {
    uid: unmapId(uid, idmap.uids),
    gid: unmapId(gid, idmap.gids),
  };
  const kind = mode & FileType.MASK;
  if (owner.uid !== uid || owner.gid !== gid) {
    const capability = kind === FileType.REGULAR
      ? getXattr(path, CAPABILITY)
      : undefined;
    chownAt(undefined, path, owner);
    // chown(2) takes these away.
    if (kind !== FileType.SYMLINK) chmodAt(undefined, path, mode & 0o7777);
    if (capability !== undefined) setXattr(path, CAPABILITY, capability);
  }
  if (kind !== FileType.DIRECTORY) return;
  for (const { name } of Deno.readDirSync(path)) {
    unmapTree(`${path}/${name}`, idmap);
  }
}
