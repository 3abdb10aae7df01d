/**
 * Whether a filesystem has projects.
 *
 * @module
 */

import { SyscallError } from "@containerkit/libc";
import { projectOf } from "./project_of.ts";
import { quotaOf } from "./quota_of.ts";

/**
 * Tells whether directories of a filesystem can be limited by projects.
 *
 * @param directory Any directory of it.
 * @returns `undefined` if they can, else why not.
 *
 * @example Usage
 * ```ts
 * import { whyNoQuota } from "@containerkit/mount/quota";
 * import { assert } from "@std/assert";
 *
 * assert(whyNoQuota("/proc") !== undefined);
 * ```
 */
export function whyNoQuota(directory: string): string | undefined {
  try {
    projectOf(directory);
    quotaOf(directory, 1);
    return undefined;
  } catch (error) {
    return error instanceof SyscallError
      ? error.detail ?? error.message
      : String(error);
  }
}
