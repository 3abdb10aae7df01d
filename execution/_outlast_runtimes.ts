import type { Bundle } from "./_bundle.ts";
import { cgroupFolders } from "./_cgroup_paths.ts";
import { isInside } from "./_cgroup_procs.ts";
import { isConmon } from "./_conmon.ts";
import { isRuntimeOf } from "./_runtime_copies.ts";
import { signalIf } from "./_signal_if.ts";
import { SIGKILL } from "./_signals.ts";

/** How long a runtime is let go on after its program has died. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 20;

/**
 * What a dead program started that works on the bundle still: runtimes, by their
 * arguments or environment. The first process of a container, which has both
 * from crun, waits for its start in the cgroup.
 */
function runtimesOf(bundle: Bundle, cgroupsPath: string): number[] {
  const cgroups = cgroupFolders(cgroupsPath);
  const pids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    if (isRuntime(pid, bundle) && !isInside(pid, cgroups)) pids.push(pid);
  }
  return pids;
}

function isRuntime(pid: number, bundle: Bundle): boolean {
  let words: string[];
  try {
    words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  } catch {
    return false; // It has gone.
  }
  // conmon ends with the container only.
  return !isConmon(words) &&
    (words.includes(bundle.pid) || isRuntimeOf(pid, [bundle.path]));
}

/** Waits for runtimes that a dead program has left; those that go on and on, with a hook that hangs, are ended. */
export async function outlastRuntimes(
  bundle: Bundle,
  cgroupsPath: string,
  patience = PATIENCE_MS,
): Promise<void> {
  for (let waited = 0;; waited += PAUSE_MS) {
    const pids = runtimesOf(bundle, cgroupsPath);
    if (pids.length === 0) return;
    if (waited > patience) {
      for (const pid of pids) {
        signalIf(pid, SIGKILL, () => isRuntime(pid, bundle));
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
