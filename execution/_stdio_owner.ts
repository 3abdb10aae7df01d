import type { Spec, SpecIdMapping, SpecUser } from "./spec.ts";

/** Who owns what is made for a process, in the ids of the host. */
export interface StdioOwner {
  readonly uid: number;
  readonly gid: number;
}

function hostId(
  id: number,
  ranges: readonly SpecIdMapping[] = [],
): number | undefined {
  const range = ranges.find(({ containerID, size }) =>
    id >= containerID && id < containerID + size
  );
  return range && range.hostID + id - range.containerID;
}

/**
 * The user of a process in a user namespace, on the host: the runtime can give
 * it what belongs to root there only outside of that namespace, where it is no
 * more. Who does not own its pipes cannot open `/dev/stdout`.
 */
export function stdioOwner(
  { linux }: Spec,
  user: SpecUser,
): StdioOwner | undefined {
  const uid = hostId(user.uid, linux?.uidMappings);
  const gid = hostId(user.gid, linux?.gidMappings);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
