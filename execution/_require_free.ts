import { cgroupFolders } from "./_cgroup_paths.ts";
import { cgroupPids } from "./_cgroup_procs.ts";
import { isThere } from "./_is_there.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";

/**
 * Sees to it that a container takes over nothing of another: a creation that
 * fails ends all that is in its cgroup and in the runtime's folder.
 *
 * @throws {RuntimeError} If the runtime has a container of that id, or the cgroup holds processes (`AlreadyExists`).
 */
export function requireFree(
  { options }: Runtime,
  id: string,
  cgroupsPath: string,
): void {
  const taken = (detail: string) =>
    new RuntimeError(`create container "${id}"`, {
      code: "AlreadyExists",
      runtime: options.command,
      args: [],
      exitCode: null,
      detail,
    });
  const folder = `${options.root}/${id}`;
  if (isThere(folder)) throw taken(`the runtime has one in "${folder}"`);
  // The name of a unit is systemd's to refuse.
  for (const [name, path] of Object.entries(cgroupFolders(cgroupsPath))) {
    const [pid] = cgroupPids({ [name]: path });
    if (pid !== undefined) {
      throw taken(`process ${pid} is in the cgroup "${path}"`);
    }
  }
}
