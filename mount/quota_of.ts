/**
 * What projects may take and take.
 *
 * @module
 */

import { type Fd, SyscallError } from "@containerkit/libc";
import { checkProject } from "./_project.ts";
import { dqblk, Q_GETQUOTA, quotactl, UNIT } from "./_quotactl.ts";

const ENOENT = 2;

/** What a project may take and takes. */
export interface Quota {
  /** Limit of space in bytes; 0 is none. */
  readonly bytes: number;
  /** Limit of files and directories; 0 is none. */
  readonly inodes: number;
  /** Space it takes, in bytes. */
  readonly usedBytes: number;
  /** Files and directories it has. */
  readonly usedInodes: number;
}

/**
 * Tells what a project may take and takes, without looking at its files.
 *
 * @param file Any file of the filesystem, by path or descriptor.
 * @param project The number, from 1.
 * @returns Limits and use.
 * @throws {RangeError} If the number is none.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if project quotas are off.
 *
 * @see https://man7.org/linux/man-pages/man2/quotactl.2.html
 *
 * @example Usage
 * ```ts ignore
 * import { quotaOf } from "@containerkit/mount/quota";
 *
 * console.log(quotaOf("/srv/volumes/db", 7).usedBytes);
 * ```
 */
export function quotaOf(file: string | Fd, project: number): Quota {
  checkProject(project, 1);
  const argument = dqblk.encode({});
  try {
    quotactl(file, Q_GETQUOTA, {
      project,
      argument,
      action: `read the quota of project ${project}`,
    });
  } catch (error) {
    // On xfs that is a project that nobody has used or limited yet; ext4 says zero itself.
    const isUnused = error instanceof SyscallError &&
      error.syscall === "quotactl_fd" && error.errno === ENOENT;
    if (!isUnused) throw error;
  }
  const found = dqblk.decode(argument);
  return {
    bytes: Number(found.bhardlimit) * UNIT,
    inodes: Number(found.ihardlimit),
    usedBytes: Number(found.curspace),
    usedInodes: Number(found.curinodes),
  };
}
