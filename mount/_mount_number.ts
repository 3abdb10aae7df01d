import { type Fd, statAt } from "@containerkit/libc";
import { askMount, UNIQUE } from "./_statmount.ts";

let known: boolean | undefined;

/** Whether mounts are known by numbers that are never used again: since Linux 6.8, unless a filter refuses statmount(2). */
export function hasUniqueNumbers(): boolean {
  if (known !== undefined) return known;
  const { mountId } = statAt(undefined, "/", { uniqueMountId: true });
  known = mountId > UNIQUE && askMount(mountId) !== "unknown";
  return known;
}

/** The number of the mount that a path leads to, by which `mountExists()` knows it. */
export function mountNumber(directory: Fd | undefined, path: string): number {
  return statAt(directory, path, { uniqueMountId: hasUniqueNumbers() }).mountId;
}
