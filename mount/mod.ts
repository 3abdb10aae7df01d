/**
 * Mounts as data, and the calls that make them real.
 *
 * ```ts
 * import { parseMountinfo } from "@containerkit/mount";
 *
 * const mounts = parseMountinfo(Deno.readTextFileSync("/proc/thread-self/mountinfo"));
 * console.log(mounts.find((mount) => mount.target === "/")?.type);
 * ```
 *
 * @module
 */

export * from "./check_id_map.ts";
export * from "./features.ts";
export * from "./from_containerd.ts";
export * from "./is_mount_point.ts";
export * from "./list_mounts.ts";
export * from "./loop_device.ts";
export * from "./mount.ts";
export * from "./mount_fd.ts";
export * from "./mount_on.ts";
export * from "./mounted.ts";
export * from "./needs_recovery.ts";
export * from "./open.ts";
export * from "./parse_mountinfo.ts";
export * from "./parse_options.ts";
export * from "./stage.ts";
export * from "./stat_mount.ts";
export * from "./to_containerd.ts";
export * from "./to_oci.ts";
export * from "./unmount.ts";
export * from "./unmount_in.ts";
export * from "./user_namespace.ts";
export * from "./with_temp.ts";
