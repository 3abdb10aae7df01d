import { statfs } from "node:fs/promises";
import type { Context } from "./_context.ts";
import { lstatFile } from "./_layout.ts";

/** What is free on the disk, and what unfinished attempts have of it. */
export async function findRoom(
  { state, namespace, path }: Context,
): Promise<number | undefined> {
  let free: number;
  try {
    const { bsize, bavail } = await statfs(path);
    free = bsize * Math.max(0, bavail);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
  const rows = state.prepare("SELECT file FROM ingests WHERE namespace = ?")
    .all(namespace.id) as unknown as { file: string }[];
  return rows.reduce(
    (sum, { file }) => sum + (lstatFile(`${path}/ingest/${file}`)?.size ?? 0),
    free,
  );
}
