/**
 * One way to keep state on disk: SQLite files with migrations, intent rows, file locks that the kernel drops when a
 * process dies, and files replaced as a whole.
 *
 * ```ts
 * import { openState } from "@containerkit/state";
 *
 * const folder = Deno.makeTempDirSync();
 * {
 *   using state = openState(`${folder}/state.db`, {
 *     migrations: ["CREATE TABLE things (id TEXT PRIMARY KEY)"],
 *   });
 *   state.transaction(() =>
 *     state.prepare("INSERT INTO things VALUES (?)").run("a")
 *   );
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 *
 * @module
 */

export * from "./boot_id.ts";
export * from "./file_lock.ts";
export * from "./lock_file.ts";
export * from "./open_state.ts";
export * from "./state.ts";
export * from "./state_version_error.ts";
export * from "./sync_directory.ts";
export * from "./try_lock_file.ts";
export * from "./with_intent.ts";
export * from "./write_file_atomic.ts";
