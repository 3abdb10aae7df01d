/**
 * The driver that runs layers without unpacking them.
 *
 * @module
 */

import { openStore } from "./_open_store.ts";
import { TarindexDriver } from "./_tarindex.ts";
import type { OpenSnapshotterOptions } from "./open_snapshotter_options.ts";
import type { Snapshotter } from "./snapshotter.ts";

/**
 * Opens the store of snapshots whose layers stay archives: the kernel mounts
 * them through an [EROFS](https://docs.kernel.org/filesystems/erofs.html) index
 * that is written here, one for a layer and all below it, however many.
 *
 * A layer is written once and in sequence, and since its archive is kept as it
 * came its digest is the diff ID: `verify` compares every byte. No layer's own
 * metadata reaches the kernel. Sparse files in an archive are refused.
 *
 * Requires root.
 *
 * @param options Where it is; made if it is not there.
 * @returns The snapshotter; any number of processes may have it open.
 * @throws {Deno.errors.NotSupported} If the filesystem cannot hold it, with the reason.
 * @throws {StateVersionError} If a newer version wrote it.
 * @throws {Deno.errors.InvalidData} If its records are damaged, gone or older than its layers; see `rebuild`.
 *
 * @example Usage
 * ```ts ignore
 * import { openTarindex, unpack } from "@containerkit/snapshot";
 *
 * await using snapshots = await openTarindex({ root: "/var/lib/containerkit" });
 * const { chainId } = await unpack(image.layers, snapshots);
 * await using rootfs = await snapshots.prepare("work", chainId);
 * console.log(rootfs.mounts);
 * ```
 */
export function openTarindex(
  options: OpenSnapshotterOptions = {},
): Promise<Snapshotter> {
  return openStore((root) => new TarindexDriver(root), {
    ...options,
    name: "tarindex",
  });
}
