/**
 * Making, copying and deleting subvolumes.
 *
 * @module
 */

import { cString, type Fd, openAt, OpenFlag, struct } from "@containerkit/libc";
import { ask } from "./_btrfs_ask.ts";
import { listSubvolumes } from "./list_subvolumes.ts";

const BTRFS_IOC_SUBVOL_CREATE_V2 = 0x50009418;
const BTRFS_IOC_SNAP_CREATE_V2 = 0x50009417;
const BTRFS_IOC_SNAP_DESTROY_V2 = 0x5000943f;
const SUBVOL_RDONLY = 2n;
const NAME_LIMIT = 255;

/** `struct btrfs_ioctl_vol_args_v2` */
const volArgs = struct({
  fd: "i64",
  transid: "u64",
  flags: "u64",
  unused: { bytes: 32 },
  name: { bytes: 4040 },
}, 4096);

function parent(path: string): { folder: Fd; name: Uint8Array } {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  const bytes = cString(name);
  if (slash === -1 || name === "" || name === "." || name === "..") {
    throw new TypeError(
      `Cannot use "${path}" as a subvolume: expected an absolute path that ends in a name`,
    );
  }
  if (bytes.length - 1 > NAME_LIMIT) {
    throw new RangeError(
      `Cannot use "${name}" as the name of a subvolume: it has more than ${NAME_LIMIT} bytes`,
    );
  }
  const folder = openAt(
    undefined,
    path.slice(0, slash + 1),
    OpenFlag.DIRECTORY,
  );
  return { folder, name: bytes };
}

/**
 * Makes an empty subvolume.
 *
 * @param path Where: an absolute path that does not exist, on btrfs.
 * @throws {SyscallError} If the kernel refuses: `ENOTTY` if it is not btrfs.
 *
 * @see https://btrfs.readthedocs.io/en/latest/Subvolumes.html
 *
 * @example Usage
 * ```ts ignore
 * import { createSubvolume } from "@containerkit/mount/btrfs";
 *
 * createSubvolume("/srv/btrfs/base");
 * ```
 */
export function createSubvolume(path: string): void {
  const { folder, name } = parent(path);
  using _folder = folder;
  ask(folder, BTRFS_IOC_SUBVOL_CREATE_V2, {
    argument: volArgs.encode({ name: new Uint8Array(name) }),
    name: "BTRFS_IOC_SUBVOL_CREATE_V2",
    action: `make the subvolume "${path}"`,
    path,
  });
}

/** Options of {@linkcode snapshotSubvolume}. */
export interface SnapshotSubvolumeOptions {
  /**
   * Refuses writes.
   *
   * @default {false}
   */
  readonly?: boolean;
}

/**
 * Makes a subvolume that starts as a copy of another and shares its blocks. A subvolume below it is an empty directory in the copy.
 *
 * @param source The subvolume.
 * @param target Where: an absolute path that does not exist, on the same filesystem.
 * @param options Whether it can be written to.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @see https://btrfs.readthedocs.io/en/latest/Subvolumes.html
 *
 * @example Usage
 * ```ts ignore
 * import { snapshotSubvolume } from "@containerkit/mount/btrfs";
 *
 * snapshotSubvolume("/srv/btrfs/base", "/srv/btrfs/copy", { readonly: true });
 * ```
 */
export function snapshotSubvolume(
  source: string,
  target: string,
  options: SnapshotSubvolumeOptions = {},
): void {
  using from = openAt(undefined, source, OpenFlag.DIRECTORY);
  const { folder, name } = parent(target);
  using _folder = folder;
  ask(folder, BTRFS_IOC_SNAP_CREATE_V2, {
    argument: volArgs.encode({
      fd: BigInt(from.number),
      flags: options.readonly ? SUBVOL_RDONLY : 0n,
      name: new Uint8Array(name),
    }),
    name: "BTRFS_IOC_SNAP_CREATE_V2",
    action: `snapshot "${source}" to "${target}"`,
    path: target,
  });
}

/** Options of {@linkcode deleteSubvolume}. */
export interface DeleteSubvolumeOptions {
  /**
   * Also the subvolumes below it, deepest first.
   *
   * @default {false}
   */
  recursive?: boolean;
}

/**
 * Deletes a subvolume with all that is in it. The kernel frees its space in the background.
 *
 * @param path The subvolume.
 * @param options Whether those below it go too.
 * @throws {SyscallError} If the kernel refuses: `ENOTEMPTY` if another one is below it.
 *
 * @see https://btrfs.readthedocs.io/en/latest/Subvolumes.html
 *
 * @example Usage
 * ```ts ignore
 * import { deleteSubvolume } from "@containerkit/mount/btrfs";
 *
 * deleteSubvolume("/srv/btrfs/copy", { recursive: true });
 * ```
 */
export function deleteSubvolume(
  path: string,
  options: DeleteSubvolumeOptions = {},
): void {
  if (options.recursive) {
    for (const below of listSubvolumes(path)) {
      deleteSubvolume(`${path}/${below}`, options);
    }
  }
  const { folder, name } = parent(path);
  using _folder = folder;
  ask(folder, BTRFS_IOC_SNAP_DESTROY_V2, {
    argument: volArgs.encode({ name: new Uint8Array(name) }),
    name: "BTRFS_IOC_SNAP_DESTROY_V2",
    action: `delete the subvolume "${path}"`,
    path,
  });
}
