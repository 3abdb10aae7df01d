/**
 * Replacing a file so that no reader and no power cut sees half of it.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { syncDirectory } from "./sync_directory.ts";

/** Options of {@linkcode writeFileAtomic}. */
export interface WriteFileAtomicOptions {
  /**
   * Permission bits of the file, before the umask.
   *
   * @default {0o600}
   */
  mode?: number;
  /**
   * Whether a power cut takes nothing of it once this returns. Without, only
   * readers and a crash of this program see all of it or nothing.
   *
   * @default {true}
   */
  durable?: boolean;
  /** Called when all is written, right before it takes its place: if it throws, what is there stays. */
  confirm?: () => void;
}

/**
 * Writes a file under another name, makes it durable unless told otherwise, and renames it into place. Synchronous, so that it can be part
 * of a transaction.
 *
 * @param path The file; one of that name is replaced, its old content stays whole until then.
 * @param data Its content; a string is written as UTF-8.
 * @param options Its mode, and whether the disk is waited for.
 * @returns What the file system says of the new file: with it a later change by others is noticed.
 * @throws {Deno.errors.NotFound} If the folder is not there.
 *
 * @see https://man7.org/linux/man-pages/man2/rename.2.html
 *
 * @example Usage
 * ```ts
 * import { writeFileAtomic } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * writeFileAtomic(`${folder}/index.json`, "{}");
 * assertEquals(Deno.readTextFileSync(`${folder}/index.json`), "{}");
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: WriteFileAtomicOptions = {},
): Deno.FileInfo {
  const { mode = 0o600, durable = true, confirm } = options;
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : data;
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    using file = Deno.openSync(temporary, {
      write: true,
      createNew: true,
      mode,
    });
    for (let done = 0; done < bytes.length;) {
      done += file.writeSync(bytes.subarray(done));
    }
    if (durable) file.syncSync();
    const info = file.statSync();
    confirm?.();
    Deno.renameSync(temporary, path);
    if (durable) syncDirectory(dirname(path));
    return info;
  } catch (error) {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was not created, or it is in place already.
    }
    throw error;
  }
}
