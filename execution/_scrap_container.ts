import type { Bundle } from "./_bundle.ts";
import { cgroupFolders } from "./_cgroup_paths.ts";
import { signalCgroup } from "./_cgroup_procs.ts";
import { conmonEnd, findConmon } from "./_conmon.ts";
import { isAnothers } from "./_is_anothers.ts";
import { noticeOrphans } from "./_orphans.ts";
import { SIGKILL } from "./_signals.ts";
import { noteAdopted } from "./_sweep.ts";
import { isThere } from "./_is_there.ts";
import { removeCgroup } from "./_remove_cgroup.ts";
import type { Runtime } from "./runtime.ts";
import { endRuntimes, removeFolder } from "./_runtime_copies.ts";

/**
 * Removes what a failed, killed or forgotten `create` left: the container if it
 * came to be, else its processes, cgroup and the runtime's folder. One of that
 * id that somebody else made with the same runtime meanwhile is left alone.
 *
 * @param cgroupsPath Where it was made; `undefined` if another has that cgroup by now.
 */
export async function scrapContainer(
  runtime: Runtime,
  bundle: Bundle,
  cgroupsPath: string | undefined,
): Promise<void> {
  const own = `${runtime.options.root}/${bundle.id}`;
  if (isThere(own) && await isAnothers(runtime, bundle)) return;
  await endRuntimes([bundle.path, own]);
  // That of a unit of systemd goes with its last process.
  const paths = cgroupsPath === undefined ? {} : cgroupFolders(cgroupsPath);
  const reapAdopted = noteAdopted(paths);
  try {
    await runtime.delete(bundle.id, { force: true });
  } catch {
    // It knows nothing of it, or half: the rest is done without it.
  }
  signalCgroup(paths, SIGKILL);
  await reapAdopted();
  for (const path of new Set(Object.values(paths))) await removeCgroup(path);
  const conmon = findConmon(bundle);
  if (conmon !== undefined) await conmonEnd(conmon);
  await removeFolder(own);
  noticeOrphans();
}
