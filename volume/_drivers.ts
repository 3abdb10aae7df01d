import { dirDriver } from "./_dir_driver.ts";
import type { VolumeDriver } from "./_driver.ts";
import { foreignDriver, viewDriver } from "./_foreign_drivers.ts";
import { imageDriver } from "./_image_driver.ts";
import { quotaDriver } from "./_quota_driver.ts";
import { subvolumeDriver } from "./_subvolume_driver.ts";
import { tmpfsDriver } from "./_tmpfs_driver.ts";
import type { VolumeKind } from "./volume_info.ts";

const DRIVERS: Readonly<Record<VolumeKind, VolumeDriver>> = {
  dir: dirDriver,
  quota: quotaDriver,
  subvolume: subvolumeDriver,
  image: imageDriver,
  tmpfs: tmpfsDriver,
  foreign: foreignDriver,
  view: viewDriver,
};

/**
 * The driver of a kind.
 *
 * @throws {TypeError} If there is no such kind.
 */
export function driverOf(kind: VolumeKind): VolumeDriver {
  const driver = Object.hasOwn(DRIVERS, kind) ? DRIVERS[kind] : undefined;
  if (driver !== undefined) return driver;
  throw new TypeError(
    `Cannot make a volume of kind ${JSON.stringify(kind)}: there are ${
      Object.keys(DRIVERS).join(", ")
    }`,
  );
}
