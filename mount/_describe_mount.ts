import type { Mount } from "./mount.ts";

/** What a mount is called in an error. */
export function describeMount(mount: Mount): string {
  switch (mount.type) {
    case "bind":
    case "erofs":
    case "image":
      return `"${mount.source}"`;
    case "btrfs":
      return `"${mount.device}"`;
    case "raw":
      return `${mount.fstype} "${mount.source}"`;
    default:
      return mount.type;
  }
}
