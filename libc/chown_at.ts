/**
 * Owners of files.
 *
 * @module
 */

import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** `(uid_t)-1`: leave it as it is. */
const KEEP = 0xffffffff;

/** In code that runs often Deno cuts a number to 32 bits, which makes root of the first one that is too large. */
function checked(id: number | undefined, what: string): number {
  if (id === undefined) return KEEP;
  if (Number.isInteger(id) && id >= 0 && id < KEEP) return id;
  throw new RangeError(
    `Cannot set the ${what} to ${id}: expected an integer from 0 to ${
      KEEP - 1
    }`,
  );
}

/** Options of {@linkcode chownAt}. */
export interface ChownAtOptions {
  /** User id; stays by default. */
  uid?: number;
  /** Group id; stays by default. */
  gid?: number;
  /**
   * Follows a symbolic link at the end of the path.
   *
   * @default {false}
   */
  follow?: boolean;
}

/**
 * Sets the owner of a file, as fchownat(2) does. The kernel drops set-user-ID and
 * set-group-ID bits and file capabilities on the way: set these afterwards.
 *
 * @param directory Where a relative path starts; `undefined` is the working directory.
 * @param path The file; an empty path is the descriptor itself.
 * @param options The owner.
 * @throws {TypeError} If the path contains NUL.
 * @throws {RangeError} If there is no such id.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { chownAt } from "@containerkit/libc";
 *
 * const path = Deno.makeTempDirSync();
 * chownAt(undefined, path, { uid: Deno.uid()!, gid: Deno.gid()! });
 * Deno.removeSync(path);
 * ```
 */
export function chownAt(
  directory: Fd | undefined,
  path: string,
  options: ChownAtOptions,
): void {
  const { follow = false } = options;
  const uid = checked(options.uid, `user id of "${path}"`);
  const gid = checked(options.gid, `group id of "${path}"`);
  const flags = AT_EMPTY_PATH | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
  const result = files().fchownat(
    dirfd(directory),
    cStringOnce(path),
    uid,
    gid,
    flags,
  );
  if (result === 0) return;
  throw failure(errno(), "fchownat", `set the owner of "${path}"`, path);
}
