/**
 * Permission bits of files.
 *
 * @module
 */

import { dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/**
 * Sets the permission bits of a file, as fchmodat(2) does. A link at the end is
 * followed: Linux keeps no bits for links. Where a stranger may have put one,
 * open the file with {@linkcode openAt2} and give `/proc/self/fd/<number>`.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The file; must not contain NUL.
 * @param mode Permission bits with set-user-ID, set-group-ID and sticky; the umask does not matter.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { chmodAt } from "@containerkit/libc";
 *
 * const path = Deno.makeTempDirSync();
 * chmodAt(undefined, path, 0o1777);
 * Deno.removeSync(path);
 * ```
 */
export function chmodAt(
  directory: Fd | undefined,
  path: string,
  mode: number,
): void {
  const result = files().fchmodat(dirfd(directory), cStringOnce(path), mode, 0);
  if (result === 0) return;
  throw failure(
    errno(),
    "fchmodat",
    `set the permissions of "${path}"`,
    path,
  );
}
