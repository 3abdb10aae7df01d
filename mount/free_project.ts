/**
 * Projects that nobody uses.
 *
 * @module
 */

import type { Fd } from "@containerkit/libc";
import { chooseProject } from "./_choose_project.ts";
import { quotaOf } from "./quota_of.ts";

/**
 * Chooses a project that nothing on a filesystem is in or limited by.
 * Projects are the filesystem's: numbers that count up would meet those of other
 * programs. At random, two that choose at once do not meet.
 *
 * @param file Any file of the filesystem, by path or descriptor.
 * @returns A number from 0x4c000000 to 0x8bffffff.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if project quotas are off.
 *
 * @example Usage
 * ```ts ignore
 * import { freeProject, setProject } from "@containerkit/mount/quota";
 *
 * setProject("/srv/volumes/db", freeProject("/srv/volumes"));
 * ```
 */
export function freeProject(file: string | Fd): number {
  return chooseProject((project) =>
    Object.values(quotaOf(file, project)).some((value) => value !== 0)
  );
}
