import {
  freeProject,
  projectOf,
  quotaOf,
  setProject,
  setQuota,
  whyNoQuota,
} from "@containerkit/mount/quota";
import type { SnapshotUsage } from "./snapshot_info.ts";
import type { Capability } from "./snapshotter.ts";

/** Projects below this are left to the machine's administrator. */
const FIRST_PROJECT = 1 << 24;

/** Whether the size of a folder can be limited by its project. */
export function projectCapability(root: string): Capability {
  const reason = whyNoQuota(root);
  return reason === undefined
    ? { supported: true }
    : { supported: false, reason };
}

/** Limits folders that are still empty: what they take together. The folders name the project. */
export function limitFolders(
  sizeLimit: number,
  [first, ...others]: readonly [string, ...string[]],
): void {
  const project = freeProject(first);
  for (const folder of [first, ...others]) {
    setProject(folder, project);
    setQuota(folder, project, { bytes: sizeLimit });
  }
}

/** What limited folders take together, as the kernel counts it; one of them that no container can get at. */
export function limitedUsage(folder: string): SnapshotUsage {
  const { usedBytes, usedInodes } = quotaOf(folder, projectOf(folder));
  return { size: usedBytes, inodes: usedInodes };
}

/** Forgets the limit of folders that are about to be removed, by one of them that no container can get at. */
export function forgetLimit(folder: string): void {
  try {
    const project = projectOf(folder);
    if (project < FIRST_PROJECT) return;
    setQuota(folder, project, { bytes: 0, inodes: 0 });
  } catch {
    // It is gone, or there are no projects: then there is no limit either.
  }
}
