import type { CgroupPaths } from "./_cgroup_paths.ts";

function counter(path: string, key: string): number | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    return undefined; // not this kind of cgroup, or it has gone
  }
  for (const line of text.split("\n")) {
    if (line.startsWith(`${key} `)) return Number(line.slice(key.length + 1));
  }
  return undefined;
}

/**
 * How many processes of a cgroup the kernel killed for lack of memory. Exact
 * only once the process that is asked about has ended: the kernel counts after the kill.
 */
export function oomKills(cgroups: CgroupPaths): number {
  const { unified, memory } = cgroups;
  return (memory === undefined
    ? undefined
    : counter(`${memory}/memory.oom_control`, "oom_kill")) ??
    (unified === undefined
      ? undefined
      : counter(`${unified}/memory.events`, "oom_kill")) ??
    0;
}
