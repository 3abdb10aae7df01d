import type { VolumeUsage } from "./volume_info.ts";

/** Counts what lies below a folder: each file once, however many names it has; other filesystems not at all. */
export async function walkUsage(
  root: string,
  signal: AbortSignal | undefined,
): Promise<VolumeUsage> {
  const { dev } = await Deno.lstat(root);
  const seen = new Set<number>();
  let bytes = 0;
  let inodes = 0;
  const count = async (path: string): Promise<void> => {
    signal?.throwIfAborted();
    const info = await Deno.lstat(path);
    if (info.dev !== dev) return;
    if ((info.nlink ?? 1) > 1 && !info.isDirectory) {
      if (seen.has(info.ino!)) return;
      seen.add(info.ino!);
    }
    inodes++;
    bytes += (info.blocks ?? 0) * 512;
    if (!info.isDirectory) return;
    for await (const { name } of Deno.readDir(path)) {
      try {
        await count(`${path}/${name}`);
      } catch (error) {
        // What is used while it is counted changes.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  };
  await count(root);
  return { bytes, inodes, counted: "walk" };
}
