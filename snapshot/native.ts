/**
 * Snapshots as plain folders, for filesystems and kernels without anything better.
 *
 * ```ts ignore
 * import { openNative } from "@containerkit/snapshot/native";
 *
 * await using snapshots = await openNative({ root: "/var/lib/containerkit" });
 * ```
 *
 * @module
 */

import { copyTree } from "./_copy_tree.ts";
import { checkFilesystem } from "./_filesystem.ts";
import { contentOf, folderBacking } from "./_folder_backing.ts";
import { destroyTree, makeDir, missingDir } from "./_folders.ts";
import { openStore } from "./_open_store.ts";
import {
  forgetLimit,
  limitedUsage,
  limitFolders,
  projectCapability,
} from "./_project.ts";
import { measureTree } from "./_usage.ts";
import { type Backing, WholeDriver } from "./_whole.ts";
import type { OpenSnapshotterOptions } from "./open_snapshotter_options.ts";
import type { Snapshotter } from "./snapshotter.ts";

function nativeBacking(root: string): Backing {
  checkFilesystem(root, { driver: "native", refused: {} });
  const sizeLimit = projectCapability(root);
  const limit = (
    { dir }: { dir: string },
    bytes: number | undefined,
  ) => {
    // Set on the folder around it, which hands it down.
    if (bytes !== undefined) limitFolders(bytes, [dir]);
  };
  return {
    ...folderBacking(sizeLimit),
    create(to, options) {
      limit(to, options.sizeLimit);
      makeDir(contentOf(to), 0o755);
      return Promise.resolve();
    },
    async clone(from, to, { sizeLimit, signal }) {
      limit(to, sizeLimit);
      await copyTree(contentOf(from), contentOf(to), signal);
    },
    usage: (folder, signal) => measureTree(contentOf(folder), signal),
    counted: ({ dir, options }) =>
      options.sizeLimit === undefined ? undefined : limitedUsage(dir),
    check: ({ dir }) => missingDir(dir, ["fs"]),
    async destroy(dir) {
      if (sizeLimit.supported) forgetLimit(dir);
      await destroyTree(dir);
    },
  };
}

/**
 * Opens the store of snapshots that are each a folder with everything in it,
 * copied from the parent. On xfs and btrfs the copy shares its blocks.
 *
 * Requires root.
 *
 * @param options Where it is; made if it is not there.
 * @returns The snapshotter; any number of processes may have it open.
 * @throws {Deno.errors.NotSupported} If the filesystem cannot hold it, with the reason.
 *
 * @example Usage
 * ```ts ignore
 * import { openNative } from "@containerkit/snapshot/native";
 *
 * await using snapshots = await openNative({ root: "/var/lib/containerkit" });
 * await using work = await snapshots.prepare("work");
 * console.log(work.mounts);
 * ```
 */
export function openNative(
  options: OpenSnapshotterOptions = {},
): Promise<Snapshotter> {
  return openStore(
    (root) =>
      new WholeDriver(root, { name: "native", backing: nativeBacking(root) }),
    { ...options, name: "native" },
  );
}
