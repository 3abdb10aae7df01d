import type { IdMap, IdMapRange } from "@containerkit/mount";

function mapId(id: number, ranges: readonly IdMapRange[]): number {
  const range = ranges.find(({ inside, size }) =>
    id >= inside && id < inside + size
  );
  return range === undefined ? id : id - range.inside + range.outside;
}

/** An owner in a layer as an id map shows it; what is in no range stays. */
export function mapOwner(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  idmap: IdMap | undefined,
): { uid: number; gid: number } {
  return idmap === undefined
    ? { uid, gid }
    : { uid: mapId(uid, idmap.uids), gid: mapId(gid, idmap.gids) };
}
