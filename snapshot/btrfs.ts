/**
 * Snapshots as subvolumes of btrfs.
 *
 * ```ts ignore
 * import { openBtrfs } from "@containerkit/snapshot/btrfs";
 *
 * await using snapshots = await openBtrfs({ root: "/var/lib/containerkit" });
 * ```
 *
 * @module
 */

import {
  createSubvolume,
  deleteSubvolume,
  isSubvolume,
  limitSubvolume,
  setSubvolumeReadonly,
  snapshotSubvolume,
  subvolumeQuota,
} from "@containerkit/mount/btrfs";
import { filesystemOf } from "./_filesystem.ts";
import { contentOf, folderBacking } from "./_folder_backing.ts";
import { destroyTree, missingDir } from "./_folders.ts";
import { openStore } from "./_open_store.ts";
import { measureTree } from "./_usage.ts";
import { type Backing, WholeDriver } from "./_whole.ts";
import type { OpenSnapshotterOptions } from "./open_snapshotter_options.ts";
import type { Capability, Snapshotter } from "./snapshotter.ts";

/** Whether btrfs counts what subvolumes take. */
function quotaCapability(root: string): Capability {
  const probe = `${root}/trash/scratch.${crypto.randomUUID()}`;
  createSubvolume(probe);
  try {
    subvolumeQuota(probe);
    return { supported: true };
  } catch {
    return {
      supported: false,
      reason:
        "the quotas of this btrfs are off: turn them on with enableQuota() of @containerkit/mount/btrfs, or btrfs quota enable",
    };
  } finally {
    deleteSubvolume(probe);
  }
}

function limit(path: string, bytes: number | undefined): void {
  if (bytes !== undefined) limitSubvolume(path, { bytes });
}

function btrfsBacking(root: string): Backing {
  const filesystem = filesystemOf(root);
  if (filesystem !== "btrfs") {
    throw new Deno.errors.NotSupported(
      `Cannot keep btrfs snapshots in "${root}", which is on ${filesystem}: they are subvolumes of btrfs`,
    );
  }
  const sizeLimit = quotaCapability(root);
  return {
    ...folderBacking(sizeLimit),
    create(to, options) {
      createSubvolume(contentOf(to));
      Deno.chmodSync(contentOf(to), 0o755);
      limit(contentOf(to), options.sizeLimit);
      return Promise.resolve();
    },
    clone(from, to, options) {
      snapshotSubvolume(contentOf(from), contentOf(to));
      limit(contentOf(to), options.sizeLimit);
      return Promise.resolve();
    },
    async usage(folder, signal) {
      const path = contentOf(folder);
      if (!sizeLimit.supported) return await measureTree(path, signal);
      return { size: subvolumeQuota(path).usedExclusive };
    },
    check: ({ dir }) =>
      missingDir(dir, ["fs"]) ??
        (isSubvolume(`${dir}/fs`) ? undefined : `${dir}/fs is no subvolume`),
    freeze: (folder) => setSubvolumeReadonly(contentOf(folder), true),
    async destroy(dir) {
      const path = `${dir}/fs`;
      if (isSubvolume(path)) deleteSubvolume(path, { recursive: true });
      await destroyTree(dir);
    },
  };
}

/**
 * Opens the store of snapshots that are subvolumes: made in the same short time
 * whatever they hold, and counted and limited by the quotas of btrfs where those are on.
 *
 * Requires root.
 *
 * @param options Where it is, on btrfs; made if it is not there.
 * @returns The snapshotter; any number of processes may have it open.
 * @throws {Deno.errors.NotSupported} If it is not on btrfs.
 *
 * @example Usage
 * ```ts ignore
 * import { openBtrfs } from "@containerkit/snapshot/btrfs";
 *
 * await using snapshots = await openBtrfs({ root: "/var/lib/containerkit" });
 * await using work = await snapshots.prepare("work");
 * console.log(work.mounts);
 * ```
 */
export function openBtrfs(
  options: OpenSnapshotterOptions = {},
): Promise<Snapshotter> {
  return openStore(
    (root) =>
      new WholeDriver(root, { name: "btrfs", backing: btrfsBacking(root) }),
    { ...options, name: "btrfs" },
  );
}
