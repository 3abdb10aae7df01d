import { callMount } from "./_call_mount.ts";
import { propagationFlags } from "./_flags.ts";
import { listMounts } from "./list_mounts.ts";
import type { MountAttributes, Propagation } from "./mount.ts";
import { statMount } from "./stat_mount.ts";

const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;

const BY_NAME = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  nosymfollow: 256,
  nodiratime: 2048,
} as const;

const ATIME = {
  noatime: 1024,
  relatime: 1 << 21,
  strictatime: 1 << 24,
} as const;

/** As the table of mounts writes them; what has no word writes every access. */
const BY_WORD: Readonly<Record<string, number>> = {
  ...BY_NAME,
  ...ATIME,
  ro: 1,
};

/** Flags that a mount has now: a remount that leaves one out would take it away. */
function currentFlags(path: string): number {
  const words = statMount(path).options;
  const flags = words.reduce((all, word) => all | (BY_WORD[word] ?? 0), 0);
  const hasAtime = Object.values(ATIME).some((flag) => flags & flag);
  return hasAtime ? flags : flags | ATIME.strictatime;
}

function remount(path: string, change: (flags: number) => number): void {
  const before = currentFlags(path);
  const flags = change(before);
  if (flags === before) return;
  callMount({
    target: path,
    flags: MS_REMOUNT | MS_BIND | flags,
    action: "set the attributes of the mount",
  });
}

/** Sets attributes by mount(2): one call a mount, since it has no recursive way. */
export function applyByRemount(
  path: string,
  attributes: MountAttributes,
): void {
  const names = Object.keys(BY_NAME) as (keyof typeof BY_NAME)[];
  remount(path, (flags) => {
    for (const name of names) {
      if (attributes[name] === undefined) continue;
      if (attributes[name] === false) flags &= ~BY_NAME[name];
      else flags |= BY_NAME[name];
    }
    if (attributes.atime === undefined) return flags;
    for (const flag of Object.values(ATIME)) flags &= ~flag;
    return flags | ATIME[attributes.atime];
  });
  const recursive = names.filter((name) => attributes[name] === "recursive");
  if (recursive.length === 0) return;
  const added = recursive.reduce((all, name) => all | BY_NAME[name], 0);
  for (const { target } of listMounts({ under: path })) {
    if (target !== path) remount(target, (flags) => flags | added);
  }
}

/** Sets by mount(2) how mounts below it spread. */
export function applyPropagationByCall(
  path: string,
  propagation: Propagation,
): void {
  const { flag, recursive } = propagationFlags(propagation);
  callMount({
    target: path,
    flags: flag | (recursive ? MS_REC : 0),
    action: `make the mount ${propagation}`,
  });
}
