import { statfs } from "node:fs/promises";
import type { VolumeUsage } from "./volume_info.ts";

/** What a whole filesystem holds, by statfs(2). */
export async function filesystemUsage(path: string): Promise<VolumeUsage> {
  const { blocks, bfree, bsize, files, ffree } = await statfs(path);
  return {
    bytes: (blocks - bfree) * bsize,
    inodes: files - ffree,
    counted: "kernel",
  };
}
