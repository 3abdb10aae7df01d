import type { SnapshotUsage } from "./snapshot_info.ts";
import { walkTree } from "./_walk_tree.ts";

/** How many files to look at before others get their turn. */
const BATCH = 2048;
const BLOCK = 512;

/** Counts what a tree takes, as du(1) does: a file with two names counts once. */
export async function measureTree(
  dir: string,
  signal?: AbortSignal,
): Promise<SnapshotUsage> {
  let size = 0;
  let inodes = 0;
  for (const { stat } of walkTree(dir)) {
    size += stat.blocks * BLOCK;
    if (++inodes % BATCH !== 0) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
  }
  return { size, inodes };
}
