/**
 * Limits for directories of ext4 and xfs, by project quotas.
 *
 * A project is a number that a directory hands down to all that is made in it;
 * the kernel counts and limits what each project takes. The filesystem must be
 * mounted with `prjquota` (ext4, made with the features `project` and `quota`)
 * or `pquota` (xfs).
 *
 * ```ts ignore
 * import { quotaOf, setProject, setQuota } from "@containerkit/mount/quota";
 *
 * setProject("/srv/volumes/db", 7);
 * setQuota("/srv/volumes/db", 7, { bytes: 10 * 2 ** 30 });
 * console.log(quotaOf("/srv/volumes/db", 7).usedBytes);
 * ```
 *
 * @module
 */

export * from "./free_project.ts";
export * from "./project_of.ts";
export * from "./quota_of.ts";
export * from "./set_project.ts";
export * from "./set_quota.ts";
export * from "./why_no_quota.ts";
