/**
 * Putting directories into projects.
 *
 * @module
 */

import type { Fd } from "@containerkit/libc";
import {
  checkProject,
  readProject,
  withFile,
  writeProject,
} from "./_project.ts";

const FS_XFLAG_PROJINHERIT = 0x200;

/**
 * Puts a directory into a project, and what is made in it from now on. What is
 * in it already stays where it is: do it right after mkdir. Renames and links
 * between projects fail with `EXDEV`.
 *
 * @param directory The directory, by path or descriptor.
 * @param project The number, from 1; 0 takes it out.
 * @throws {RangeError} If the number is none.
 * @throws {SyscallError} If the filesystem has no projects.
 *
 * @see https://man7.org/linux/man-pages/man2/ioctl_xfs_fsgetxattr.2.html
 *
 * @example Usage
 * ```ts ignore
 * import { setProject } from "@containerkit/mount/quota";
 *
 * setProject("/srv/volumes/db", 7);
 * ```
 */
export function setProject(directory: string | Fd, project: number): void {
  checkProject(project, 0);
  withFile(directory, (fd) => {
    const before = readProject(fd);
    const xflags = project === 0
      ? before.xflags & ~FS_XFLAG_PROJINHERIT
      : before.xflags | FS_XFLAG_PROJINHERIT;
    writeProject(fd, { ...before, xflags: xflags >>> 0, projid: project });
  });
}
