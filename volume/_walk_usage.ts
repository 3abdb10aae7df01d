import { outputOf } from "./_run_program.ts";
import type { VolumeUsage } from "./volume_info.ts";

/**
 * Counts what lies below a folder: each file once, however many names it has; other filesystems not at all. By du(1), which
 * takes any depth and names that are no UTF-8.
 */
export async function walkUsage(
  root: string,
  signal: AbortSignal | undefined,
): Promise<VolumeUsage> {
  const count = async (unit: string) => {
    const action = `count what is in "${root}"`;
    const { code, stdout, stderr } = await outputOf(
      action,
      "du",
      ["-sx", unit, root],
      signal,
    );
    const number = parseInt(stdout);
    // What is used while it is counted changes.
    const isWhole = code === 0 || /^(.*: No such file or directory\n?)+$/
      .test(stderr);
    if (isWhole && !Number.isNaN(number)) return number;
    throw new Error(
      `Cannot ${action}: du failed with ${code}: ${stderr.slice(-500)}`,
    );
  };
  const [bytes, inodes] = await Promise.all(
    ["--block-size=1", "--inodes"].map(count),
  );
  return { bytes: bytes!, inodes: inodes!, counted: "walk" };
}
