/**
 * Cleaning up after crashes.
 *
 * @module
 */

import { tryLockFile } from "@containerkit/state";
import {
  type Bundle,
  bundleOf,
  containersPath,
  readExit,
  readRecord,
  readSpec,
  STATE,
} from "./_bundle.ts";
import { createRuntime } from "./create_runtime.ts";
import { ensureMonitor, isMonitored } from "./_monitor_client.ts";
import { tryLockCgroup, tryLockId } from "./_lock_id.ts";
import type { MonitorOptions } from "./monitor_options.ts";
import { isUnreaped } from "./_process_stat.ts";
import { removeLostExecs } from "./_remove_lost_execs.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { outlastRuntimes } from "./_outlast_runtimes.ts";
import { removeFolder } from "./_runtime_copies.ts";
import { scrapContainer } from "./_scrap_container.ts";

/** Options of {@linkcode recoverContainers}. */
export interface RecoverContainersOptions {
  /**
   * Folder for what belongs to this boot.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
  /** How the monitor is started if it was killed. */
  readonly monitor?: MonitorOptions;
}

/** What {@linkcode recoverContainers} did. */
export interface Recovery {
  /** Ids of containers that were only half made: they are gone. */
  readonly undone: readonly string[];
  /** Whether a monitor was started to take over what another left. */
  readonly monitor: boolean;
}

/** Undoes a creation whose program has died; `false` if it lives. */
async function undo(bundle: Bundle): Promise<boolean> {
  let lock;
  try {
    lock = tryLockFile(bundle.lock);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false; // just removed
    throw error;
  }
  if (lock === undefined) return false;
  using _ = lock;
  if (readRecord(bundle) !== undefined) return false;
  let intent: Required<RuntimeOptions> | undefined;
  let cgroupsPath: string | undefined;
  try {
    intent = JSON.parse(await Deno.readTextFile(bundle.intent));
    cgroupsPath = readSpec(bundle).linux?.cgroupsPath;
  } catch {
    // Killed before it called the runtime: only the folder is there.
  }
  if (intent !== undefined) {
    const runtime = createRuntime(intent);
    using id = tryLockId(runtime, bundle.id);
    if (id === undefined) return false;
    if (cgroupsPath !== undefined) {
      using cgroup = tryLockCgroup(cgroupsPath);
      if (cgroup === undefined) return false;
      await outlastRuntimes(bundle, cgroupsPath);
      const isFree = cgroup.owner === undefined;
      await scrapContainer(runtime, bundle, isFree ? cgroupsPath : undefined);
    }
  }
  await removeFolder(bundle.path);
  return true;
}

/**
 * Cleans up what programs left that were killed: containers that were only half
 * made are removed, and a monitor that is missed is started again. What other
 * programs are doing right now is left alone. Cheap when there is nothing to do.
 *
 * @param options Where containers are kept.
 * @returns What was done.
 *
 * @example Usage
 * ```ts ignore
 * import { recoverContainers } from "@containerkit/execution";
 *
 * const { undone } = await recoverContainers();
 * if (undone.length > 0) console.warn("removed", undone);
 * ```
 */
export async function recoverContainers(
  options: RecoverContainersOptions = {},
): Promise<Recovery> {
  const { state = STATE } = options;
  const undone: string[] = [];
  let orphaned = false;
  try {
    for await (const { name } of Deno.readDir(containersPath(state))) {
      const bundle = bundleOf(state, name);
      const record = readRecord(bundle);
      if (record === undefined) {
        if (await undo(bundle)) undone.push(name);
        continue;
      }
      await removeLostExecs(bundle);
      if (record.monitored && readExit(bundle) === undefined) {
        // Of one that has ended there is nothing to take over, and nobody can tell how.
        orphaned ||= isUnreaped(record);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const monitor = orphaned && !await isMonitored(state);
  if (monitor) await ensureMonitor(state, options.monitor);
  return { undone: undone.sort(), monitor };
}
