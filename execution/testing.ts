/**
 * What every OCI runtime must do under this package, as plain functions that
 * register tests.
 *
 * ```ts ignore
 * import { runtimeSuite } from "@containerkit/execution/testing";
 *
 * runtimeSuite("runc", {
 *   runtime: { command: "runc" },
 *   makeRootfs: async (folder) => {
 *     await new Deno.Command("cp", { args: ["-a", "/rootfs/.", folder] }).output();
 *   },
 * });
 * ```
 *
 * @module
 */

export * from "./runtime_suite.ts";
