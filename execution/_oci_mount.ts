import type { Mount, MountAttributes } from "@containerkit/mount";
import type { SpecIdMapping, SpecMount } from "./spec.ts";

function attributeOptions(mount: MountAttributes): string[] {
  return [
    ...mount.readonly === "recursive" ? ["rro"] : mount.readonly ? ["ro"] : [],
    ...mount.nosuid ? ["nosuid"] : [],
    ...mount.nodev ? ["nodev"] : [],
    ...mount.noexec ? ["noexec"] : [],
    ...mount.atime === undefined ? [] : [mount.atime],
  ];
}

function refuse(destination: string, why: string): TypeError {
  return new TypeError(
    `Cannot hand the mount on "${destination}" to a runtime: ${why}; stage it and bind the result`,
  );
}

function idMappings(
  ranges: readonly { inside: number; outside: number; size: number }[],
): SpecIdMapping[] {
  return ranges.map(({ inside, outside, size }) => ({
    containerID: inside,
    hostID: outside,
    size,
  }));
}

/** A mount in the words of the runtime specification. */
export function ociMount(destination: string, mount: Mount): SpecMount {
  if (mount.subpath !== undefined) {
    throw refuse(destination, "runtimes know no subpath");
  }
  const common = attributeOptions(mount);
  const idmap = mount.idmap === undefined ? {} : {
    uidMappings: idMappings(mount.idmap.uids),
    gidMappings: idMappings(mount.idmap.gids),
  };
  switch (mount.type) {
    case "bind": {
      const propagation = mount.propagation ?? "private";
      return {
        destination,
        type: "bind",
        source: mount.source,
        options: [
          mount.recursive ? "rbind" : "bind",
          mount.recursive ? `r${propagation}` : propagation,
          ...common,
        ],
        ...idmap,
      };
    }
    case "tmpfs":
      return {
        destination,
        type: "tmpfs",
        source: "tmpfs",
        options: [
          ...common,
          ...mount.size === undefined ? [] : [`size=${mount.size}`],
          ...mount.mode === undefined ? [] : [`mode=${mount.mode.toString(8)}`],
        ],
        ...idmap,
      };
    case "raw":
      return {
        destination,
        type: mount.fstype,
        source: mount.source,
        options: [...mount.options, ...common],
        ...idmap,
      };
    default:
      throw refuse(destination, `it is of type "${mount.type}"`);
  }
}
