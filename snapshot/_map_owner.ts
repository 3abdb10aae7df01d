import type { IdMap } from "@containerkit/mount";
import { mapId } from "./_map_id.ts";

/** An owner in a layer as an id map shows it; what is in no range stays. */
export function mapOwner(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  idmap: IdMap | undefined,
): { uid: number; gid: number } {
  return idmap === undefined ? { uid, gid } : {
    uid: mapId(uid, idmap.uids) ?? uid,
    gid: mapId(gid, idmap.gids) ?? gid,
  };
}
