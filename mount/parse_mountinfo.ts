/**
 * Reading the kernel's table of mounts.
 *
 * @module
 */

import { unescape } from "./_unescape.ts";

/** One mount, as a line of proc_pid_mountinfo(5) states it. */
export interface MountinfoEntry {
  /** Identifies the mount until it goes; may be used anew after that. */
  readonly id: number;
  /** The mount it is attached to. */
  readonly parent: number;
  /** The device, as `major:minor`. */
  readonly device: string;
  /** Which directory of the filesystem is mounted. */
  readonly root: string;
  /** Where it is mounted, seen from the reader's root. */
  readonly target: string;
  /** Options of this mount, such as `ro` and `nosuid`. */
  readonly options: readonly string[];
  /** Propagation, such as `shared:2` and `master:7`; empty means private. */
  readonly propagation: readonly string[];
  /** The filesystem type, such as `overlay`. */
  readonly type: string;
  /** What is mounted; filesystems without a source say anything here. */
  readonly source: string;
  /** Options of the filesystem, such as `lowerdir=/a:/b`. */
  readonly superOptions: readonly string[];
}

function parseLine(line: string, number: number): MountinfoEntry {
  const fields = line.split(" ");
  const dash = fields.indexOf("-", 6);
  const [id, parent, device, root, target, options] = fields;
  const [type, source, superOptions] = dash === -1
    ? []
    : fields.slice(dash + 1);
  if (
    options === undefined || target === undefined || type === undefined ||
    source === undefined
  ) {
    throw new SyntaxError(
      `Cannot parse mountinfo: line ${number} has too few fields`,
    );
  }
  return {
    id: Number(id),
    parent: Number(parent),
    device: device!,
    root: unescape(root!),
    target: unescape(target),
    options: options.split(","),
    propagation: fields.slice(6, dash),
    type: unescape(type),
    source: unescape(source),
    superOptions: superOptions?.split(",").map(unescape) ?? [],
  };
}

/**
 * Parses `/proc/<pid>/mountinfo`. The order is the kernel's: a mount may stand before the one it is attached to.
 *
 * @param text The whole file.
 * @returns One entry a line.
 * @throws {SyntaxError} If a line has fewer fields than proc_pid_mountinfo(5) promises.
 *
 * @example Find what is mounted on a path
 * ```ts
 * import { parseMountinfo } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * const line = "26 1 8:1 / /mnt/a\\040b rw,noatime shared:1 - ext4 /dev/sda1 rw\n";
 * assertEquals(parseMountinfo(line)[0]?.target, "/mnt/a b");
 * ```
 */
export function parseMountinfo(text: string): MountinfoEntry[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, index) => parseLine(line, index + 1));
}
