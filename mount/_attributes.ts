import type { MountAttributes } from "./mount.ts";

const NAMES: readonly (keyof MountAttributes)[] = [
  "readonly",
  "nosuid",
  "nodev",
  "noexec",
  "nosymfollow",
  "atime",
  "nodiratime",
  "propagation",
  "idmap",
  "subpath",
];

/** Only what holds for a mount whatever its filesystem is. */
export function pickAttributes(mount: MountAttributes): MountAttributes {
  return Object.fromEntries(
    NAMES.filter((name) => mount[name] !== undefined)
      .map((name) => [name, mount[name]]),
  );
}
