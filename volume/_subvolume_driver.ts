import { FsMagic, statFs, SyscallError } from "@containerkit/libc";
import {
  createSubvolume,
  deleteSubvolume,
  limitSubvolume,
  snapshotSubvolume,
  subvolumeQuota,
} from "@containerkit/mount/btrfs";
import type { Place, VolumeDriver } from "./_driver.ts";
import { rootOf } from "./_folders.ts";

function setSize(place: Place, size: number): void {
  try {
    limitSubvolume(rootOf(place.folder), { bytes: size });
  } catch (cause) {
    throw new Deno.errors.NotSupported(
      `Cannot limit volume "${place.row.name}": the quotas of this btrfs are off (btrfs quota enable); the kind "image" has a limit on any filesystem`,
      { cause },
    );
  }
}

/** A subvolume of btrfs. */
export const subvolumeDriver: VolumeDriver = {
  kind: "subvolume",
  staging: "never",
  check({ folder, inodes }) {
    if (inodes !== undefined) {
      throw new TypeError(
        'Cannot limit the inodes of a volume on btrfs: it has no such limit; the kind "image" has',
      );
    }
    if (statFs(folder).type === FsMagic.BTRFS) return;
    throw new Deno.errors.NotSupported(
      `Cannot make a volume of kind "subvolume" in "${folder}": it is not on btrfs; the kind "image" has a limit on any filesystem`,
    );
  },
  create(place) {
    createSubvolume(rootOf(place.folder));
    if (place.row.size !== undefined) setSize(place, place.row.size);
    return Promise.resolve();
  },
  mounts: ({ folder }) => [{ type: "bind", source: rootOf(folder) }],
  usage({ row, folder }) {
    // Without quotas nobody has counted: that takes a walk.
    if (row.size === undefined) return Promise.resolve(undefined);
    const { usedBytes } = subvolumeQuota(rootOf(folder));
    return Promise.resolve({ bytes: usedBytes, counted: "kernel" });
  },
  resize(place, { size, inodes }) {
    if (inodes !== undefined) this.check({ folder: place.folder, inodes });
    if (size !== undefined) setSize(place, size);
    return Promise.resolve();
  },
  clone(from, to) {
    snapshotSubvolume(rootOf(from.folder), rootOf(to.folder));
    if (to.row.size !== undefined) setSize(to, to.row.size);
    return Promise.resolve();
  },
  remove({ folder }) {
    try {
      // Its users may have made others in it.
      deleteSubvolume(rootOf(folder), { recursive: true });
    } catch (error) {
      // A crash may have left the volume without its subvolume.
      if (!(error instanceof SyscallError) || error.code !== "ENOENT") {
        throw error;
      }
    }
    return Promise.resolve();
  },
};
