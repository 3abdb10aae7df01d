/**
 * Limiting projects.
 *
 * @module
 */

import type { Fd } from "@containerkit/libc";
import { checkProject } from "./_project.ts";
import { dqblk, Q_SETQUOTA, quotactl, UNIT } from "./_quotactl.ts";

const QIF_BLIMITS = 1;
const QIF_ILIMITS = 4;

/** Limits of a project. */
export interface QuotaLimits {
  /** Space in bytes, rounded up to 1 KiB; `undefined` leaves it, 0 is no limit. */
  readonly bytes?: number;
  /** How many files and directories; `undefined` leaves it, 0 is no limit. */
  readonly inodes?: number;
}

/**
 * Limits what a project may take; at the limit writes fail with `EDQUOT`, on xfs `ENOSPC`. On ext4 a process with
 * `CAP_SYS_RESOURCE` is not held to it.
 *
 * @param file Any file of the filesystem, by path or descriptor.
 * @param project The number, from 1.
 * @param limits The limits.
 * @throws {RangeError} If the number or a limit is none.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if project quotas are off.
 *
 * @see https://man7.org/linux/man-pages/man2/quotactl.2.html
 *
 * @example Usage
 * ```ts ignore
 * import { setQuota } from "@containerkit/mount/quota";
 *
 * setQuota("/srv/volumes/db", 7, { bytes: 10 * 2 ** 30, inodes: 1_000_000 });
 * ```
 */
export function setQuota(
  file: string | Fd,
  project: number,
  limits: QuotaLimits,
): void {
  checkProject(project, 1);
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(
        `Cannot limit ${name} to ${value}: expected an integer from 0`,
      );
    }
  }
  const { bytes, inodes } = limits;
  const blocks = BigInt(Math.ceil((bytes ?? 0) / UNIT));
  quotactl(file, Q_SETQUOTA, {
    project,
    argument: dqblk.encode({
      bhardlimit: blocks,
      bsoftlimit: blocks,
      ihardlimit: BigInt(inodes ?? 0),
      isoftlimit: BigInt(inodes ?? 0),
      valid: (bytes === undefined ? 0 : QIF_BLIMITS) |
        (inodes === undefined ? 0 : QIF_ILIMITS),
    }),
    action: `limit project ${project}`,
  });
}
