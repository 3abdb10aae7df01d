import { cgroupTrees } from "./_cgroup_paths.ts";
import { cgroupPids, signalCgroup } from "./_cgroup_procs.ts";
import { sweep } from "./_sweep.ts";
import type { Runtime } from "./runtime.ts";

const SIGKILL = 9;
/** A process that was killed leaves its cgroup a little later. */
const ATTEMPTS = 200;
const PAUSE_MS = 5;

/** Removes a cgroup with those below it, once their processes have gone. */
async function removeCgroup(path: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      for await (const entry of Deno.readDir(path)) {
        if (entry.isDirectory) await removeCgroup(`${path}/${entry.name}`);
      }
      await Deno.remove(path);
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Removes what a failed, killed or forgotten `create` left: the container if it
 * came to be, else its processes, cgroup and the runtime's folder.
 */
export async function scrapContainer(
  runtime: Runtime,
  id: string,
  cgroupsPath: string,
): Promise<void> {
  try {
    await runtime.delete(id, { force: true });
  } catch {
    // It knows nothing of it, or half: the rest is done without it.
  }
  // With systemd the path is a unit's name, which goes with its last process.
  if (cgroupsPath.startsWith("/")) {
    const paths = Object.fromEntries(
      [...cgroupTrees()].map(([name, { target }]) => [
        name,
        `${target}${cgroupsPath}`,
      ]),
    );
    const left = new Set(cgroupPids(paths));
    signalCgroup(paths, SIGKILL);
    // Those that the runtime's end made children of this program.
    await sweep(-1, (pid) => left.has(pid));
    for (const path of new Set(Object.values(paths))) await removeCgroup(path);
  }
  await Deno.remove(`${runtime.options.root}/${id}`, { recursive: true })
    .catch(() => {});
}
