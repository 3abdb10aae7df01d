/**
 * The default driver: a folder per layer, joined by the kernel's overlay.
 *
 * @module
 */

import { OverlayDriver } from "./_overlay.ts";
import { openStore } from "./_open_store.ts";
import type { OpenSnapshotterOptions } from "./open_snapshotter_options.ts";
import type { Snapshotter } from "./snapshotter.ts";

/**
 * Opens the store of snapshots whose layers are folders and whose mounts are
 * overlays, as the kernel's
 * [overlayfs](https://docs.kernel.org/filesystems/overlayfs.html) describes them.
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
 * import { openOverlay } from "@containerkit/snapshot";
 *
 * await using snapshots = await openOverlay({ root: "/var/lib/containerkit" });
 * await using base = await snapshots.prepare("work");
 * console.log(base.mounts);
 * await base.commit("base");
 * ```
 */
export function openOverlay(
  options: OpenSnapshotterOptions = {},
): Promise<Snapshotter> {
  return openStore((root) => new OverlayDriver(root), {
    ...options,
    name: "overlay",
  });
}
