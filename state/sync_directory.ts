/**
 * Making names durable.
 *
 * @module
 */

/**
 * Makes the names in a folder durable: after it, files created, renamed or removed there stay so across a power cut.
 * The synchronous form is the only one, as it is part of a transaction more often than not.
 *
 * @param path The folder.
 * @throws {Deno.errors.NotFound} If it is not there.
 *
 * @see https://man7.org/linux/man-pages/man2/fsync.2.html
 *
 * @example Usage
 * ```ts
 * import { syncDirectory } from "@containerkit/state";
 *
 * const folder = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${folder}/a`, "1");
 * syncDirectory(folder);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function syncDirectory(path: string): void {
  using folder = Deno.openSync(path);
  folder.syncSync();
}
