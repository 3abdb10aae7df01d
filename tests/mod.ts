/**
 * What the tests of every package share. Not published.
 *
 * @module
 */

export * from "./busybox_rootfs.ts";
export * from "./ckit.ts";
export * from "./compare_trees.ts";
export * from "./containerd.ts";
export * from "./count_echoes.ts";
export * from "./cruns_cgroups.ts";
export * from "./docker_registry.ts";
export * from "./fill_disk.ts";
export * from "./free_port.ts";
export * from "./leak_check.ts";
export * from "./need.ts";
export * from "./peer_cgroups.ts";
export * from "./quotas_missing.ts";
export * from "./real_image.ts";
export * from "./run_program.ts";
export * from "./temp_dir.ts";
export * from "./test_if.ts";
export * from "./until.ts";
