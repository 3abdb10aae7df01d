import {
  cgroupFolders,
  type CgroupPaths,
  cgroupPaths,
  cgroupTrees,
} from "./_cgroup_paths.ts";
import { thawKilled } from "./_freeze.ts";
import { signalIf } from "./_signal_if.ts";
import { SIGKILL } from "./_signals.ts";

/** Each round finds what was forked in the one before. */
const ROUNDS = 100;

/** The tree in which every process of a container is. */
function mainPath(cgroups: CgroupPaths): string | undefined {
  return cgroups.unified ?? cgroups.pids ?? cgroups.memory ??
    Object.values(cgroups)[0];
}

function collect(path: string, pids: number[]): void {
  try {
    for (
      const line of Deno.readTextFileSync(`${path}/cgroup.procs`).split("\n")
    ) {
      if (line !== "") pids.push(Number(line));
    }
    for (const entry of Deno.readDirSync(path)) {
      if (entry.isDirectory) collect(`${path}/${entry.name}`, pids);
    }
  } catch {
    // It has gone, or is a threaded one; what it held is gone or listed above.
  }
}

/** The processes in a container's cgroup and those below it. */
export function cgroupPids(cgroups: CgroupPaths): number[] {
  const path = mainPath(cgroups);
  const pids: number[] = [];
  if (path !== undefined) collect(path, pids);
  return pids;
}

/**
 * The cgroups of a container: those of its first process that are not this
 * program's too, nor above them. One that has ended already is in the root of
 * each tree of cgroup v1; there the path that the runtime was given is known.
 *
 * @param pid The first process.
 * @param given The path, or the name of a unit of systemd.
 */
export function containerCgroups(pid: number, given: string): CgroupPaths {
  const mine = cgroupPaths(Deno.pid);
  const trees = cgroupTrees();
  let known: CgroupPaths | undefined;
  const own: Record<string, string> = {};
  for (const [name, at] of Object.entries(cgroupPaths(pid))) {
    const hasEnded = at === trees.get(name)?.target;
    const path = hasEnded ? (known ??= cgroupFolders(given))[name] : at;
    const isAbove = `${mine[name] ?? ""}/`.startsWith(`${path}/`);
    if (path !== undefined && !isAbove) own[name] = path;
  }
  return own;
}

/** Whether a process, also one that has ended and is not reaped, is in a cgroup or below it. */
export function isInside(pid: number, cgroups: CgroupPaths): boolean {
  const at = cgroupPaths(pid);
  return Object.entries(cgroups).some(([name, path]) =>
    at[name] === path || at[name]?.startsWith(`${path}/`)
  );
}

/** Sends a signal to every process in a cgroup. `SIGKILL` leaves none. */
export function signalCgroup(cgroups: CgroupPaths, signal: number): void {
  if (signal === SIGKILL && cgroups.unified !== undefined) {
    try {
      Deno.writeTextFileSync(`${cgroups.unified}/cgroup.kill`, "1");
      thawKilled(cgroups);
      return;
    } catch {
      // Before Linux 5.14, or it has gone: one by one.
    }
  }
  for (let round = 0; round < ROUNDS; round++) {
    const pids = cgroupPids(cgroups);
    for (const pid of pids) {
      signalIf(pid, signal, () => isInside(pid, cgroups));
    }
    if (signal !== SIGKILL || pids.length === 0) return;
    thawKilled(cgroups);
  }
}
