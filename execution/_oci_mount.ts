import { type IdMapRange, type Mount, toOci } from "@containerkit/mount";
import type { SpecIdMapping, SpecMount } from "./spec.ts";

function idMappings(ranges: readonly IdMapRange[]): SpecIdMapping[] {
  return ranges.map(({ inside, outside, size }) => ({
    containerID: inside,
    hostID: outside,
    size,
  }));
}

/**
 * A mount in the words of the runtime specification. Other than in a mount
 * alone, mapped ids have words here; whether the runtime heeds them is checked
 * before it is called.
 */
export function ociMount(destination: string, mount: Mount): SpecMount {
  const { idmap, ...plain } = mount;
  return {
    ...toOci(plain, destination),
    ...idmap === undefined ? {} : {
      uidMappings: idMappings(idmap.uids),
      gidMappings: idMappings(idmap.gids),
    },
  };
}
