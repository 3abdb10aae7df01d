/**
 * What is below a subvolume.
 *
 * @module
 */

import { type Fd, openAt, OpenFlag } from "@containerkit/libc";
import { ask } from "./_btrfs_ask.ts";
import { type Range, search } from "./_btrfs_search.ts";
import { subvolumeInfo } from "./subvolume_info.ts";

const BTRFS_IOC_INO_LOOKUP = 0xd0009412;
const ROOT_TREE = 1n;
const ROOT_REF_KEY = 156;

const decoder = new TextDecoder();

/**
 * Lists the subvolumes that are directly in another.
 *
 * @param path The subvolume.
 * @returns Their paths, relative to it.
 * @throws {SyscallError} If the kernel refuses: `EPERM` without CAP_SYS_ADMIN.
 *
 * @example Usage
 * ```ts ignore
 * import { listSubvolumes } from "@containerkit/mount/btrfs";
 *
 * console.log(listSubvolumes("/srv/btrfs/base"));
 * ```
 */
export function listSubvolumes(path: string): string[] {
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  const { id } = subvolumeInfo(path);
  const range: Range = {
    tree: ROOT_TREE,
    objectid: BigInt(id),
    types: [ROOT_REF_KEY, ROOT_REF_KEY],
  };
  return [...search(fd, range, path)].map(({ data }) => {
    // struct btrfs_root_ref { le64 dirid, sequence; le16 name_len; char name[]; }
    const directory = data.getBigUint64(0, true);
    const name = new Uint8Array(
      data.buffer,
      data.byteOffset + 18,
      data.getUint16(16, true),
    );
    return lookUp(fd, BigInt(id), { directory, path }) + decoder.decode(name);
  });
}

/** The path of a directory by its number, with a slash at the end; empty for the subvolume itself. */
function lookUp(
  fd: Fd,
  treeId: bigint,
  { directory, path }: { directory: bigint; path: string },
): string {
  // struct btrfs_ioctl_ino_lookup_args { u64 treeid, objectid; char name[4080]; }
  const argument = new Uint8Array(4096);
  const view = new DataView(argument.buffer);
  view.setBigUint64(0, treeId, true);
  view.setBigUint64(8, directory, true);
  ask(fd, BTRFS_IOC_INO_LOOKUP, {
    argument,
    name: "BTRFS_IOC_INO_LOOKUP",
    action: `look into "${path}"`,
    path,
  });
  return decoder.decode(argument.subarray(16, argument.indexOf(0, 16)));
}
