/**
 * The type that a filesystem produces and a runtime consumes.
 *
 * @module
 */

/** A range of ids that a mount shows as others. */
export interface IdMapRange {
  /** First id as stored in the filesystem. */
  readonly inside: number;
  /** First id as seen through the mount. */
  readonly outside: number;
  /** How many ids. */
  readonly size: number;
}

/** How a mount shows user and group ids, as mount_setattr(2) describes for `MOUNT_ATTR_IDMAP`. */
export interface IdMap {
  /** User ids. */
  readonly uids: readonly IdMapRange[];
  /** Group ids. */
  readonly gids: readonly IdMapRange[];
}

/** How mounts made below a mount spread; with `r` that holds for the mounts below it too. */
export type Propagation =
  | "private"
  | "slave"
  | "shared"
  | "unbindable"
  | "rprivate"
  | "rslave"
  | "rshared"
  | "runbindable";

/** What holds for a mount whatever its filesystem is. */
export interface MountAttributes {
  /** Refuses writes; `"recursive"` also in the mounts below it. */
  readonly readonly?: boolean | "recursive";
  /** Ignores set-user-ID and set-group-ID bits and file capabilities; `"recursive"` also in the mounts below it. */
  readonly nosuid?: boolean | "recursive";
  /** Refuses access to device files; `"recursive"` also in the mounts below it. */
  readonly nodev?: boolean | "recursive";
  /** Refuses to run programs; `"recursive"` also in the mounts below it. */
  readonly noexec?: boolean | "recursive";
  /** Follows no symbolic links in it. */
  readonly nosymfollow?: boolean;
  /** When access times are written; the kernel's own choice is `"relatime"`. */
  readonly atime?: "relatime" | "noatime" | "strictatime";
  /** Writes no access times of directories. */
  readonly nodiratime?: boolean;
  /** Whether mounts made below it appear elsewhere, see mount_namespaces(7). */
  readonly propagation?: Propagation;
  /** Shows other user and group ids. */
  readonly idmap?: IdMap;
  /** Only this directory of it, resolved without leaving it. */
  readonly subpath?: string;
}

/** A directory, or a mount that is first made for the purpose. */
export type MountSource = string | Mount;

/** A file or directory shown at a second place. */
export interface BindMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "bind";
  /** Absolute path. */
  readonly source: string;
  /** With the mounts below it. */
  readonly recursive?: boolean;
}

/** Directories merged into one, see the kernel's `filesystems/overlayfs`. */
export interface OverlayMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "overlay";
  /** Read-only layers, the topmost first. */
  readonly lower: readonly MountSource[];
  /** Layers that hold only data, below all others. */
  readonly data?: readonly MountSource[];
  /** Where changes go; without it the mount is read-only. */
  readonly upper?: string;
  /** The kernel's own empty folder on the filesystem of `upper`. */
  readonly work?: string;
  /** Never syncs: what was written may be lost when the machine fails. */
  readonly volatile?: boolean;
  /** Further options of the filesystem, such as `index`; `true` for a word alone. */
  readonly options?: Readonly<Record<string, string | true>>;
}

/** A read-only image, in a file or over several. */
export interface ErofsMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "erofs";
  /** The file with the metadata. */
  readonly source: string;
  /** Further files with data, in the order of the image's device table. */
  readonly devices?: readonly string[];
}

/** A filesystem in a file, through a loop device. */
export interface ImageMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "image";
  /** The file. */
  readonly source: string;
  /** The filesystem in it. */
  readonly fstype: "ext4" | "xfs" | "squashfs" | "btrfs";
  /** Options of the filesystem, as mount(8) takes them. */
  readonly options?: readonly string[];
}

/** A subvolume. */
export interface BtrfsMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "btrfs";
  /** The block device. */
  readonly device: string;
  /** Which subvolume, by id. */
  readonly subvolid: number;
}

/** A filesystem in memory. */
export interface TmpfsMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "tmpfs";
  /** Limit in bytes; the kernel's default is half of the memory. */
  readonly size?: number;
  /** Permission bits of its root; the kernel's default is 0o1777. */
  readonly mode?: number;
}

/** Anything else, exactly containerd's triple. */
export interface RawMount extends MountAttributes {
  /** Which variant this is. */
  readonly type: "raw";
  /** The kernel's name of the filesystem. */
  readonly fstype: string;
  /** What is mounted; some filesystems take any word. */
  readonly source: string;
  /** As mount(8) takes them. */
  readonly options: readonly string[];
}

/**
 * A mount as plain data: `JSON.parse(JSON.stringify(mount))` is the same mount.
 *
 * @example Usage
 * ```ts
 * import type { Mount } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * const rootfs: Mount = {
 *   type: "overlay",
 *   lower: ["/layers/2", "/layers/1"],
 *   upper: "/active/1/upper",
 *   work: "/active/1/work",
 * };
 * assertEquals(JSON.parse(JSON.stringify(rootfs)), rootfs);
 * ```
 */
export type Mount =
  | BindMount
  | OverlayMount
  | ErofsMount
  | ImageMount
  | BtrfsMount
  | TmpfsMount
  | RawMount;
