import {
  projectOf,
  quotaOf,
  setProject,
  setQuota,
  whyNoQuota,
} from "@containerkit/mount/quota";
import type { SnapshotUsage } from "./snapshot_info.ts";
import type { Capability } from "./snapshotter.ts";

/** Projects of snapshots begin here, out of the way of those that an administrator numbers by hand. */
const FIRST_PROJECT = 1 << 24;

/** Whether the size of a folder can be limited by its project. */
export function projectCapability(root: string): Capability {
  const reason = whyNoQuota(root);
  return reason === undefined
    ? { supported: true }
    : { supported: false, reason };
}

/** Limits folders that are still empty: what they take together. */
export function limitFolders(
  id: number,
  sizeLimit: number,
  folders: readonly string[],
): void {
  for (const folder of folders) {
    setProject(folder, FIRST_PROJECT + id);
    setQuota(folder, FIRST_PROJECT + id, { bytes: sizeLimit });
  }
}

/** What limited folders take, as the kernel counts it. */
export function limitedUsage(id: number, folder: string): SnapshotUsage {
  const { usedBytes, usedInodes } = quotaOf(folder, FIRST_PROJECT + id);
  return { size: usedBytes, inodes: usedInodes };
}

/** Forgets the limit of a folder that is about to be removed. */
export function forgetLimit(folder: string): void {
  try {
    const project = projectOf(folder);
    if (project < FIRST_PROJECT) return;
    setQuota(folder, project, { bytes: 0, inodes: 0 });
  } catch {
    // It is gone, or there are no projects: then there is no limit either.
  }
}
