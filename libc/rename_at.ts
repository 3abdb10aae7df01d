/**
 * Renaming.
 *
 * @module
 */

import { dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { PathAt } from "./path_at.ts";

/** What renameat2(2) does beyond renaming; combine with `|`. */
export const RenameFlag = {
  /** Fails with `EEXIST` when the new name is taken. */
  NOREPLACE: 1,
  /** Swaps the two, in one step. */
  EXCHANGE: 2,
  /** Leaves a whiteout under the old name. */
  WHITEOUT: 4,
} as const;

/**
 * Renames a file or directory, as renameat2(2) does.
 *
 * @param from The old name.
 * @param to The new name; what has it is replaced.
 * @param flags Of {@linkcode RenameFlag}.
 * @throws {TypeError} If a path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Never replace
 * ```ts
 * import { renameAt, RenameFlag, SyscallError } from "@containerkit/libc";
 * import { assertThrows } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${path}/a`, "");
 * Deno.writeTextFileSync(`${path}/b`, "");
 * assertThrows(
 *   () => renameAt({ path: `${path}/a` }, { path: `${path}/b` }, RenameFlag.NOREPLACE),
 *   SyscallError,
 *   "EEXIST",
 * );
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export function renameAt(from: PathAt, to: PathAt, flags = 0): void {
  const result = files().renameat2(
    dirfd(from.directory),
    cStringOnce(from.path),
    dirfd(to.directory),
    cStringOnce(to.path, 1),
    flags,
  );
  if (result === 0) return;
  throw failure(
    errno(),
    "renameat2",
    `rename "${from.path}" to "${to.path}"`,
    from.path,
  );
}
