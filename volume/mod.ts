/**
 * Volumes: storage that outlives a container, as folders, quotas, subvolumes, images, memory or any mount.
 *
 * ```ts ignore
 * import { openVolumes } from "@containerkit/volume";
 *
 * await using volumes = await openVolumes();
 * await volumes.create("data");
 * await using data = await volumes.attach("data", { readonly: true });
 * ```
 *
 * @module
 */

export * from "./attached_volume.ts";
export * from "./create_volume_options.ts";
export * from "./open_volumes.ts";
export * from "./volume_attachment.ts";
export * from "./volume_call_options.ts";
export * from "./volume_collectable.ts";
export * from "./volume_info.ts";
export * from "./volume_place.ts";
export * from "./volume_store.ts";
