/**
 * Removing names.
 *
 * @module
 */

import { dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const AT_REMOVEDIR = 0x200;

/** Options of {@linkcode unlinkAt}. */
export interface UnlinkAtOptions {
  /**
   * Removes an empty directory instead of a file.
   *
   * @default {false}
   */
  directory?: boolean;
}

/**
 * Removes a file or an empty directory, as unlinkat(2) does.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The name; must not contain NUL. A link is removed, not followed.
 * @param options Whether it is a directory.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { unlinkAt } from "@containerkit/libc";
 *
 * const path = Deno.makeTempDirSync();
 * unlinkAt(undefined, path, { directory: true });
 * ```
 */
export function unlinkAt(
  directory: Fd | undefined,
  path: string,
  options: UnlinkAtOptions = {},
): void {
  const flags = options.directory ? AT_REMOVEDIR : 0;
  if (files().unlinkat(dirfd(directory), cStringOnce(path), flags) === 0) {
    return;
  }
  throw failure(errno(), "unlinkat", `remove "${path}"`, path);
}
