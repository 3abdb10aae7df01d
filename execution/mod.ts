/**
 * Containers run by an OCI runtime: specs, processes, streams, exit codes, cgroups, events.
 *
 * ```ts ignore
 * import { createSpec, run } from "@containerkit/execution";
 *
 * const spec = await createSpec({}, { rootfs: "/rootfs", args: ["echo", "hi"] });
 * await using container = await run("web", spec, { stdout: "piped" });
 * const { code, stdout } = await container.output();
 * ```
 *
 * @module
 */

export * from "./attach_container.ts";
export * from "./cdi_devices.ts";
export * from "./container.ts";
export * from "./container_event.ts";
export * from "./container_metrics.ts";
export * from "./container_process.ts";
export * from "./create.ts";
export * from "./create_runtime.ts";
export * from "./create_spec.ts";
export * from "./create_spec_options.ts";
export * from "./default_apparmor.ts";
export * from "./default_seccomp.ts";
export * from "./delete_container.ts";
export * from "./drain_log.ts";
export * from "./exec.ts";
export * from "./exec_options.ts";
export * from "./exit_lost_error.ts";
export * from "./host_devices.ts";
export * from "./is_apparmor_loaded.ts";
export * from "./list_containers.ts";
export * from "./load_apparmor.ts";
export * from "./log_entry.ts";
export * from "./log_options.ts";
export * from "./monitor_options.ts";
export * from "./next_restart.ts";
export * from "./open_container.ts";
export * from "./read_events.ts";
export * from "./read_log.ts";
export * from "./read_metrics.ts";
export * from "./recover_containers.ts";
export * from "./resolve_user.ts";
export * from "./run.ts";
export * from "./run_monitor.ts";
export * from "./runtime.ts";
export * from "./runtime_error.ts";
export * from "./runtime_state.ts";
export * from "./seccomp.ts";
export * from "./spec.ts";
export * from "./spec_linux.ts";
export * from "./stdio_options.ts";
export * from "./validate_spec.ts";
