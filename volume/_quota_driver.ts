import { FsMagic, statFs } from "@containerkit/libc";
import type { VolumeDriver } from "./_driver.ts";
import { projectDriver } from "./_project_driver.ts";
import { subvolumeDriver } from "./_subvolume_driver.ts";

/** What the filesystem has to limit folders: btrfs counts by subvolumes, others by projects. */
function driverIn(folder: string): VolumeDriver {
  return statFs(folder).type === FsMagic.BTRFS
    ? subvolumeDriver
    : projectDriver;
}

/** A folder that the filesystem itself limits. */
export const quotaDriver: VolumeDriver = {
  kind: "quota",
  staging: "never",
  check(options) {
    if (options.size === undefined && options.inodes === undefined) {
      throw new TypeError(
        'Cannot make a volume of kind "quota" without a size or inodes',
      );
    }
    driverIn(options.folder).check(options);
  },
  choose: (folder) => driverIn(folder).choose?.(folder) ?? {},
  create: (place, signal) => driverIn(place.folder).create(place, signal),
  mounts: (place) => driverIn(place.folder).mounts(place),
  usage: (place) => driverIn(place.folder).usage!(place),
  resize: (place, limits) => driverIn(place.folder).resize(place, limits),
  clones: ({ folder }) => driverIn(folder).clone !== undefined,
  clone: (from, to, signal) => driverIn(to.folder).clone!(from, to, signal),
  remove: (place) => driverIn(place.folder).remove!(place),
};
