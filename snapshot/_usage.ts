import { listDir, S_IFDIR, S_IFMT } from "./_files.ts";
import { openRoot } from "./_parent_layers.ts";
import type { SnapshotUsage } from "./snapshot_info.ts";
import { closing, openDir, statAt } from "./_walk_dir.ts";

/** How many files to look at before others get their turn. */
const BATCH = 2048;
const BLOCK = 512;

/** Counts what a tree takes, as du(1) does: a file with two names counts once. */
export async function measureTree(
  dir: string,
  signal?: AbortSignal,
): Promise<SnapshotUsage> {
  const seen = new Set<bigint>();
  let batch = 0;
  const root = openRoot(dir);
  using _root = closing(root);
  let size = statAt(root, "", dir).blocks * BLOCK;
  let inodes = 1;
  const visit = async (fd: number, path: string): Promise<void> => {
    for (const { name } of listDir(fd, path)) {
      const shown = `${path}/${name}`;
      const stat = statAt(fd, name, shown);
      if (++batch % BATCH === 0) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        signal?.throwIfAborted();
      }
      const isDir = (stat.mode & S_IFMT) === S_IFDIR;
      if (!isDir && stat.nlink > 1) {
        if (seen.has(stat.ino)) continue;
        seen.add(stat.ino);
      }
      size += stat.blocks * BLOCK;
      inodes++;
      if (!isDir) continue;
      const child = openDir(fd, name, shown);
      using _child = closing(child);
      await visit(child, shown);
    }
  };
  await visit(root, dir);
  return { size, inodes };
}
