/**
 * What the kernel knows of one mount.
 *
 * @module
 */

import { statAt } from "@containerkit/libc";
import { askMount, readMount, UNIQUE } from "./_statmount.ts";
import { listMounts } from "./list_mounts.ts";
import type { MountinfoEntry } from "./parse_mountinfo.ts";

/**
 * Tells what the kernel knows of the mount that a path is on, by statmount(2) without reading the whole table (before Linux 6.13 from that table).
 *
 * @param path Any path of the mount; a link at its end is not followed.
 * @returns The mount.
 * @throws {Deno.errors.NotFound} If the mount went meanwhile.
 * @throws {SyscallError} If the kernel refuses, such as `ENOENT` for a missing path.
 *
 * @example Usage
 * ```ts
 * import { statMount } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(statMount("/proc/self/status").type, "proc");
 * ```
 */
export function statMount(path: string): MountinfoEntry {
  const { mountId } = statAt(undefined, path, { uniqueMountId: true });
  const view = mountId > UNIQUE ? askMount(mountId) : "unknown";
  const found = view === undefined
    ? undefined
    : (view === "unknown" ? undefined : readMount(view)) ??
      inTable(statAt(undefined, path).mountId);
  if (found === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot look at the mount of "${path}": it went meanwhile`,
    );
  }
  return found;
}

function inTable(number: number): MountinfoEntry | undefined {
  return listMounts().find(({ id }) => id === number);
}
