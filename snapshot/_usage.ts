import type { SnapshotUsage } from "./snapshot_info.ts";

/** How many files to look at before others get their turn. */
const BATCH = 2048;
const BLOCK = 512;

/** Counts what a tree takes, as du(1) does: a file with two names counts once. */
export async function measureTree(
  dir: string,
  signal?: AbortSignal,
): Promise<SnapshotUsage> {
  const seen = new Set<number>();
  const folders = [dir];
  let size = (Deno.lstatSync(dir).blocks ?? 0) * BLOCK;
  let inodes = 1;
  let batch = 0;
  for (
    let folder = folders.pop();
    folder !== undefined;
    folder = folders.pop()
  ) {
    for (const entry of Deno.readDirSync(folder)) {
      const path = `${folder}/${entry.name}`;
      const info = Deno.lstatSync(path);
      if (++batch % BATCH === 0) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        signal?.throwIfAborted();
      }
      if (entry.isDirectory) folders.push(path);
      else if ((info.nlink ?? 1) > 1) {
        if (seen.has(info.ino!)) continue;
        seen.add(info.ino!);
      }
      size += (info.blocks ?? 0) * BLOCK;
      inodes++;
    }
  }
  return { size, inodes };
}
