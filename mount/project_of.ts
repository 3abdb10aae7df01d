/**
 * Which project a file is in.
 *
 * @module
 */

import type { Fd } from "@containerkit/libc";
import { readProject, withFile } from "./_project.ts";

/**
 * Tells the project of a file or directory.
 *
 * @param file The file, by path or descriptor.
 * @returns The number; 0 for none.
 * @throws {SyscallError} If the filesystem has no projects.
 *
 * @example Usage
 * ```ts ignore
 * import { projectOf } from "@containerkit/mount/quota";
 *
 * console.log(projectOf("/srv/volumes/db"));
 * ```
 */
export function projectOf(file: string | Fd): number {
  return withFile(file, (fd) => readProject(fd).projid);
}
