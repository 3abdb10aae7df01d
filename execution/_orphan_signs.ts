import type { CgroupPaths } from "./_cgroup_paths.ts";
import { isInside } from "./_cgroup_procs.ts";
import { type ProcessStat, processStat } from "./_process_stat.ts";

/**
 * Children of the main thread: orphans come to it, while those that workers
 * start are their threads'.
 */
export function childrenOf(): number[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`);
  } catch {
    // The kernel was built without the list.
    return allChildren();
  }
  return text.split(" ").filter((word) => word !== "").map(Number);
}

/** Children of any thread, of this program or another; by a scan of all processes. */
export function allChildren(parent = Deno.pid): number[] {
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name)).map(({ name }) => Number(name))
    .filter((pid) => processStat(pid)?.parent === parent);
}

/**
 * Whether another process forked a child of this program: it is in the session
 * of who forked it until it begins its own, and this one is in a third.
 */
export function isForkedElsewhere(
  pid: number,
  { session }: ProcessStat,
): boolean {
  return session !== pid && session !== processStat(Deno.pid)?.session;
}

/**
 * Whether a child of this program is in a container and not its first process:
 * a runtime started it.
 *
 * @param containers Cgroups of those whose pid namespace may be the program's own.
 */
export function isContained(
  pid: number,
  containers: Iterable<CgroupPaths>,
): boolean {
  let status: string;
  try {
    status = Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch {
    return false;
  }
  // Its number in each pid namespace from ours to its own.
  const numbers = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
  if (numbers.length > 1) return numbers.at(-1) !== "1" && !forksElsewhere();
  for (const cgroups of containers) {
    // Around this program, its own children would be in it.
    if (isInside(pid, cgroups) && !isInside(Deno.pid, cgroups)) return true;
  }
  return false;
}

/** Whether this program's own children are in another pid namespace than it is. */
function forksElsewhere(): boolean {
  const [own, forked] = ["pid", "pid_for_children"].map((name) =>
    Deno.readLinkSync(`/proc/self/ns/${name}`)
  );
  return own !== forked;
}

/** Whether a part of this program holds a process by a pidfd, as who waits for a child does: Deno, a worker. */
export function hasPidfd(pid: number): boolean {
  for (const { name } of Deno.readDirSync("/proc/self/fdinfo")) {
    try {
      const text = Deno.readTextFileSync(`/proc/self/fdinfo/${name}`);
      if (Number(/^Pid:\s+(-?\d+)$/m.exec(text)?.[1]) === pid) return true;
    } catch {
      // The list itself was one of them.
    }
  }
  return false;
}
