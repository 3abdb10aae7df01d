/**
 * Whether something is mounted.
 *
 * @module
 */

import { statAt, StatAttribute } from "@containerkit/libc";

/**
 * Tells whether something is mounted on a path, also a bind of a file, without reading the table of mounts.
 *
 * @param path The path; a link at its end is not followed.
 * @returns Whether it is; `false` if the path does not exist.
 * @throws {SyscallError} If the kernel refuses to look.
 *
 * @example Usage
 * ```ts
 * import { isMountPoint } from "@containerkit/mount";
 * import { assert } from "@std/assert";
 *
 * assert(isMountPoint("/proc"));
 * assert(!isMountPoint("/proc/self"));
 * ```
 */
export function isMountPoint(path: string): boolean {
  try {
    const { attributes } = statAt(undefined, path);
    return (attributes & StatAttribute.MOUNT_ROOT) !== 0;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}
