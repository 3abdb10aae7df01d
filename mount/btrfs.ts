/**
 * Subvolumes of btrfs: trees of their own that can be snapshotted, counted and limited.
 *
 * ```ts ignore
 * import { createSubvolume, snapshotSubvolume } from "@containerkit/mount/btrfs";
 *
 * createSubvolume("/srv/btrfs/base");
 * snapshotSubvolume("/srv/btrfs/base", "/srv/btrfs/copy");
 * ```
 *
 * @module
 */

export * from "./list_subvolumes.ts";
export * from "./subvolume.ts";
export * from "./subvolume_info.ts";
export * from "./subvolume_quota.ts";
