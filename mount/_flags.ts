import type { MountAttributes, Propagation } from "./mount.ts";

export const AT_FDCWD = -100;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

const MOUNT_ATTR_RDONLY = 0x1;
const MOUNT_ATTR_NOSUID = 0x2;
const MOUNT_ATTR_NODEV = 0x4;
const MOUNT_ATTR_NOEXEC = 0x8;
const MOUNT_ATTR_ATIME = 0x70;
const MOUNT_ATTR_NOATIME = 0x10;
const MOUNT_ATTR_STRICTATIME = 0x20;
const MOUNT_ATTR_NODIRATIME = 0x80;
const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;
export const MOUNT_ATTR_IDMAP = 0x100000;

const PROPAGATION: Readonly<Record<string, number>> = {
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
};

const ATIME = {
  relatime: 0,
  noatime: MOUNT_ATTR_NOATIME,
  strictatime: MOUNT_ATTR_STRICTATIME,
} as const;

/** Whether it is a word of `MountAttributes.atime`. */
export function isAtime(word: string): boolean {
  return Object.hasOwn(ATIME, word);
}

const BY_NAME = {
  readonly: MOUNT_ATTR_RDONLY,
  nosuid: MOUNT_ATTR_NOSUID,
  nodev: MOUNT_ATTR_NODEV,
  noexec: MOUNT_ATTR_NOEXEC,
  nosymfollow: MOUNT_ATTR_NOSYMFOLLOW,
  nodiratime: MOUNT_ATTR_NODIRATIME,
} as const;

/** What mount_setattr(2) is to set and to clear. */
export interface AttributeFlags {
  readonly set: number;
  readonly clear: number;
}

/**
 * The flags of a mount's attributes.
 *
 * @param which Of the mount itself, or only those that hold for the mounts below it too.
 */
export function attributeFlags(
  attributes: MountAttributes,
  which: "own" | "recursive",
): AttributeFlags {
  let set = 0;
  let clear = 0;
  for (const [name, flag] of Object.entries(BY_NAME)) {
    const value = attributes[name as keyof typeof BY_NAME];
    const holds = which === "own" ? value !== undefined : value === "recursive";
    if (!holds) continue;
    if (value === false) clear |= flag;
    else set |= flag;
  }
  if (which === "own" && attributes.atime !== undefined) {
    clear |= MOUNT_ATTR_ATIME;
    set |= ATIME[attributes.atime];
  }
  return { set, clear };
}

/** Whether it is a word of {@linkcode Propagation}. */
export function isPropagation(word: string): word is Propagation {
  return Object.hasOwn(PROPAGATION, word.replace(/^r/, ""));
}

/** `MS_` flag of a propagation, and whether it holds for the mounts below too. */
export function propagationFlags(
  propagation: Propagation,
): { flag: number; recursive: boolean } {
  const flag = PROPAGATION[propagation];
  if (flag !== undefined) return { flag, recursive: false };
  return { flag: PROPAGATION[propagation.slice(1)]!, recursive: true };
}
