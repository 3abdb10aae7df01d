import type { Bundle } from "./_bundle.ts";
import { cgroupFolders } from "./_cgroup_paths.ts";
import { cgroupPids } from "./_cgroup_procs.ts";
import { isThere } from "./_is_there.ts";
import { tryLockCgroup, tryLockId } from "./_lock_id.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";

function taken(
  { options }: Runtime,
  id: string,
  detail: string,
): RuntimeError {
  return new RuntimeError(`create container "${id}"`, {
    code: "AlreadyExists",
    runtime: options.command,
    detail,
  });
}

/**
 * Locks an id in the runtime's folder, and the cgroup if the spec names one, until the container is made or undone.
 *
 * @throws {RuntimeError} If another makes or undoes one of that id there, or in that cgroup, or a container has the cgroup (`AlreadyExists`).
 */
export function lockNames(
  runtime: Runtime,
  bundle: Bundle,
  cgroupsPath: string | undefined,
): Disposable {
  const { id } = bundle;
  using locks = new DisposableStack();
  const lock = <T extends Disposable>(one: T | undefined, where: string): T => {
    if (one !== undefined) return locks.use(one);
    throw taken(runtime, id, `another makes one in ${where}`);
  };
  lock(tryLockId(runtime, id), `"${runtime.options.root}"`);
  if (cgroupsPath !== undefined) {
    const name = `the cgroup "${cgroupsPath}"`;
    const cgroup = lock(tryLockCgroup(cgroupsPath), name);
    const { owner } = cgroup;
    if (owner !== undefined) {
      throw taken(
        runtime,
        id,
        `${name} belongs to the container in "${owner}"`,
      );
    }
    cgroup.give(bundle);
  }
  return locks.move();
}

/**
 * Sees to it that a container takes over nothing of another: a creation that
 * fails ends all that is in its cgroup and in the runtime's folder.
 *
 * @throws {RuntimeError} If the runtime has a container of that id, or the cgroup holds processes (`AlreadyExists`).
 */
export function requireFree(
  runtime: Runtime,
  id: string,
  cgroupsPath: string,
): void {
  const folder = `${runtime.options.root}/${id}`;
  if (isThere(folder)) {
    throw taken(runtime, id, `the runtime has one in "${folder}"`);
  }
  // The name of a unit is systemd's to refuse.
  for (const [name, path] of Object.entries(cgroupFolders(cgroupsPath))) {
    const [pid] = cgroupPids({ [name]: path });
    if (pid !== undefined) {
      throw taken(runtime, id, `process ${pid} is in the cgroup "${path}"`);
    }
  }
}
