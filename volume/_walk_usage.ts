import { outputOf } from "./_run_program.ts";
import type { VolumeUsage } from "./volume_info.ts";

/** What stat(2) calls a block, in bytes. */
const BLOCK = 512;

/**
 * Counts what lies below a folder: each file once, however many names it has; other filesystems not at all. By find(1), which
 * takes any depth and names that are no UTF-8.
 */
export async function walkUsage(
  root: string,
  signal: AbortSignal | undefined,
): Promise<VolumeUsage> {
  const action = `count what is in "${root}"`;
  const { code, stdout, stderr } = await outputOf(
    action,
    "find",
    [root, "-xdev", "-printf", "%D %b %n %i\n"],
    signal,
  );
  // What is used while it is counted changes.
  const isWhole = code === 0 ||
    /^(.*: No such file or directory\n?)+$/.test(stderr);
  if (!isWhole) {
    throw new Error(
      `Cannot ${action}: find failed with ${code}: ${stderr.slice(-500)}`,
    );
  }
  let bytes = 0;
  let inodes = 0;
  const known = new Set<string>();
  const device = stdout.slice(0, stdout.indexOf(" "));
  for (const line of stdout.trimEnd().split("\n")) {
    const [on, blocks, names, inode] = line.split(" ");
    // The root of another one that is mounted below.
    if (on !== device) continue;
    if (names !== "1") {
      if (known.has(inode!)) continue;
      known.add(inode!);
    }
    bytes += Number(blocks) * BLOCK;
    inodes++;
  }
  return { bytes, inodes, counted: "walk" };
}
