/**
 * Making directories.
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
 * Makes a directory, as mkdirat(2) does.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The new directory; must not contain NUL.
 * @param mode Permission bits, before the umask.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { mkdirAt, openAt, OpenFlag } from "@containerkit/libc";
 *
 * const path = Deno.makeTempDirSync();
 * {
 *   using folder = openAt(undefined, path, OpenFlag.DIRECTORY);
 *   mkdirAt(folder, "fs", 0o755);
 * }
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export function mkdirAt(
  directory: Fd | undefined,
  path: string,
  mode = 0o777,
): void {
  if (files().mkdirat(dirfd(directory), cStringOnce(path), mode) === 0) return;
  throw failure(errno(), "mkdirat", `make the directory "${path}"`, path);
}
