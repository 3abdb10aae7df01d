/**
 * Copy-on-write filesystems: layers applied, kept and mounted.
 *
 * ```ts ignore
 * import { openOverlay, unpack } from "@containerkit/snapshot";
 *
 * await using snapshots = await openOverlay({ root: "/var/lib/containerkit" });
 * const { chainId } = await unpack(image.layers, snapshots);
 * await using rootfs = await snapshots.prepare("work", chainId);
 * console.log(rootfs.mounts);
 * ```
 *
 * @module
 */

export * from "./apply_layer.ts";
export * from "./diff_error.ts";
export * from "./diff_layers.ts";
export * from "./diff_layers_options.ts";
export * from "./diff_upper.ts";
export * from "./extract_entries.ts";
export * from "./layer_error.ts";
export * from "./layer_source.ts";
export * from "./open_overlay.ts";
export * from "./open_snapshotter_options.ts";
export * from "./open_tarindex.ts";
export * from "./prepare_options.ts";
export * from "./rebase_error.ts";
export * from "./snapshot.ts";
export * from "./snapshot_collectable.ts";
export * from "./snapshot_info.ts";
export * from "./snapshot_state_error.ts";
export * from "./snapshotter.ts";
export * from "./unpack.ts";
export * from "./unpack_options.ts";
export * from "./verify_options.ts";
