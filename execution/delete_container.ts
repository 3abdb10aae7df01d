/**
 * Removing containers.
 *
 * @module
 */

import { STATE } from "./_bundle.ts";
import { signalCgroup } from "./_cgroup_procs.ts";
import { containerStatus } from "./_container_status.ts";
import { SIGKILL } from "./_signals.ts";
import { createRuntime } from "./create_runtime.ts";
import { findContainer } from "./_find_container.ts";
import { openContainer } from "./open_container.ts";
import { removeContainer } from "./_remove_container.ts";
import { RuntimeError } from "./runtime_error.ts";

/** Options of {@linkcode deleteContainer}. */
export interface DeleteContainerOptions {
  /**
   * Folder for what belongs to this boot, as the container was made with.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
  /**
   * Kills it first if it has not ended; and one that does not exist is fine.
   *
   * @default {false}
   */
  readonly force?: boolean;
  /** Stops waiting for its end, and for others who make or remove it; what was killed stays so. */
  readonly signal?: AbortSignal;
}

/**
 * Deletes a container that was kept, with its bundle and cgroup.
 *
 * @param id Its id.
 * @param options Where it is kept, and whether it may be running.
 * @throws {RuntimeError} If there is none (`NotFound`), or it has not ended (`NotStopped`).
 *
 * @example Usage
 * ```ts ignore
 * import { deleteContainer } from "@containerkit/execution";
 *
 * await deleteContainer("web", { force: true });
 * ```
 */
export async function deleteContainer(
  id: string,
  options: DeleteContainerOptions = {},
): Promise<void> {
  const { state = STATE, force = false, signal } = options;
  signal?.throwIfAborted();
  try {
    await remove(id, { ...options, state, force });
  } catch (error) {
    const missing = error instanceof RuntimeError && error.code === "NotFound";
    if (!(force && missing)) throw error;
  }
}

async function remove(
  id: string,
  options: DeleteContainerOptions & { readonly state: string },
): Promise<void> {
  const { state, force, signal } = options;
  const { bundle, record } = findContainer(state, id, "delete");
  const status = containerStatus(record, bundle);
  if (status !== "stopped") {
    if (!force) {
      throw new RuntimeError(`delete container "${id}"`, {
        code: "NotStopped",
        runtime: record.runtime.command,
        detail: `it is ${status}`,
      });
    }
    await using container = openContainer(id, { state });
    try {
      container.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
    signalCgroup(record.cgroups, SIGKILL);
    const letGo = () => container.keep();
    signal?.addEventListener("abort", letGo, { once: true });
    await container.status.catch(() => {});
    signal?.removeEventListener("abort", letGo);
  }
  signal?.throwIfAborted();
  await removeContainer(createRuntime(record.runtime), bundle, record, signal);
}
