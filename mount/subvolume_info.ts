/**
 * What a subvolume is.
 *
 * @module
 */

import {
  type Fd,
  FsMagic,
  openAt,
  OpenFlag,
  statAt,
  statFs,
} from "@containerkit/libc";
import { ask } from "./_btrfs_ask.ts";

const BTRFS_IOC_SUBVOL_GETFLAGS = 0x80089419;
const BTRFS_IOC_SUBVOL_SETFLAGS = 0x4008941a;
const BTRFS_IOC_GET_SUBVOL_INFO = 0x81f8943c;
const SUBVOL_RDONLY = 2n;
/** The root directory of every subvolume has this number. */
const SUBVOLUME_INODE = 256n;

const decoder = new TextDecoder();

/**
 * Tells whether a path is a subvolume of btrfs.
 *
 * @param path The path.
 * @returns Whether it is; also `false` if it does not exist.
 *
 * @example Usage
 * ```ts
 * import { isSubvolume } from "@containerkit/mount/btrfs";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isSubvolume("/proc"), false);
 * ```
 */
export function isSubvolume(path: string): boolean {
  try {
    return statAt(undefined, path).inode === SUBVOLUME_INODE &&
      statFs(path).type === FsMagic.BTRFS;
  } catch {
    return false;
  }
}

/** What btrfs knows of a subvolume. */
export interface SubvolumeInfo {
  /** Its number, for the option `subvolid` and for limits. */
  readonly id: number;
  /** The subvolume it is in. */
  readonly parent: number;
  /** Its name there. */
  readonly name: string;
  /** Whether it refuses writes. */
  readonly readonly: boolean;
}

/**
 * Tells what btrfs knows of a subvolume.
 *
 * @param path The subvolume, or anything in it.
 * @returns What it knows.
 * @throws {SyscallError} If the kernel refuses: `ENOTTY` if it is not btrfs.
 *
 * @see https://btrfs.readthedocs.io/en/latest/Subvolumes.html
 *
 * @example Usage
 * ```ts ignore
 * import { subvolumeInfo } from "@containerkit/mount/btrfs";
 *
 * console.log(subvolumeInfo("/srv/btrfs/base").id);
 * ```
 */
export function subvolumeInfo(path: string): SubvolumeInfo {
  using fd = openAt(undefined, path);
  const argument = new Uint8Array(504);
  ask(fd, BTRFS_IOC_GET_SUBVOL_INFO, {
    argument,
    name: "BTRFS_IOC_GET_SUBVOL_INFO",
    action: `look at the subvolume "${path}"`,
    path,
  });
  const view = new DataView(argument.buffer);
  const name = argument.subarray(8, 264);
  return {
    id: Number(view.getBigUint64(0, true)),
    name: decoder.decode(name.subarray(0, name.indexOf(0))),
    parent: Number(view.getBigUint64(264, true)),
    readonly: (readFlags(fd, path) & SUBVOL_RDONLY) !== 0n,
  };
}

function readFlags(fd: Fd, path: string): bigint {
  const argument = new Uint8Array(8);
  ask(fd, BTRFS_IOC_SUBVOL_GETFLAGS, {
    argument,
    name: "BTRFS_IOC_SUBVOL_GETFLAGS",
    action: `look at the subvolume "${path}"`,
    path,
  });
  return new DataView(argument.buffer).getBigUint64(0, true);
}

/**
 * Makes a subvolume refuse writes, or take them again.
 *
 * @param path The subvolume.
 * @param readonly Whether it refuses them.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { setSubvolumeReadonly } from "@containerkit/mount/btrfs";
 *
 * setSubvolumeReadonly("/srv/btrfs/base", true);
 * ```
 */
export function setSubvolumeReadonly(path: string, readonly: boolean): void {
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  const before = readFlags(fd, path);
  const flags = readonly ? before | SUBVOL_RDONLY : before & ~SUBVOL_RDONLY;
  ask(fd, BTRFS_IOC_SUBVOL_SETFLAGS, {
    argument: new Uint8Array(BigUint64Array.of(flags).buffer),
    name: "BTRFS_IOC_SUBVOL_SETFLAGS",
    action: `make the subvolume "${path}" ${
      readonly ? "read-only" : "writable"
    }`,
    path,
  });
}
