import { eachLineOf } from "./_run_program.ts";
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
  let bytes = 0;
  let inodes = 0;
  let device: string | undefined;
  const known = new Set<string>();
  const count = (line: string) => {
    const [on, blocks, names, inode, type] = line.split(" ");
    device ??= on;
    // The root of another one that is mounted below.
    if (on !== device) return;
    if (names !== "1" && type !== "d") {
      if (known.has(inode!)) return;
      known.add(inode!);
    }
    bytes += Number(blocks) * BLOCK;
    inodes++;
  };
  const action = `count what is in "${root}"`;
  const args = [root, "-xdev", "-printf", "%D %b %n %i %y\n"];
  // What is used while it is counted changes.
  let hasChanged = false;
  let complaint = "";
  const code = await eachLineOf(
    { action, command: "find", args, signal },
    count,
    (line) => {
      if (line.endsWith(": No such file or directory")) hasChanged = true;
      else complaint = line;
    },
  );
  const isWhole = code === 0 || (hasChanged && complaint === "");
  if (isWhole && inodes > 0) return { bytes, inodes, counted: "walk" };
  throw new Error(
    `Cannot ${action}: find failed with ${code}: ${complaint.slice(-500)}`,
  );
}
