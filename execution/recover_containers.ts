/**
 * Cleaning up after crashes.
 *
 * @module
 */

import { pidfdOpen, SyscallError, waitReadable } from "@containerkit/libc";
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
import { isConmon } from "./_conmon.ts";
import { createRuntime } from "./create_runtime.ts";
import { ensureMonitor, isMonitored } from "./_monitor_client.ts";
import type { MonitorOptions } from "./monitor_options.ts";
import { processStat } from "./_process_stat.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { isRuntimeOf, removeFolder } from "./_runtime_copies.ts";
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

/** Waits for what a dead program started and that works on the bundle still: a runtime, by its arguments or environment. */
async function waitForRuntime(bundle: Bundle): Promise<void> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = await Deno.readTextFile(`/proc/${name}/cmdline`);
      const words = line.split("\0");
      const isRuntime = words.includes(bundle.pid) ||
        isRuntimeOf(Number(name), [bundle.path]);
      // conmon ends with the container only.
      if (!isRuntime || isConmon(words)) continue;
      using pidfd = pidfdOpen(Number(name));
      if (processStat(Number(name))?.state !== "Z") await waitReadable(pidfd);
    } catch (error) {
      const gone = error instanceof SyscallError ||
        error instanceof Deno.errors.NotFound || isEsrch(error);
      if (!gone) throw error;
    }
  }
}

/** A process that goes between open and read. */
const isEsrch = (error: unknown) =>
  error instanceof Error && error.message.includes("os error 3");

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
  await waitForRuntime(bundle);
  let intent: Required<RuntimeOptions> | undefined;
  let cgroupsPath: string | undefined;
  try {
    intent = JSON.parse(await Deno.readTextFile(bundle.intent));
    cgroupsPath = readSpec(bundle).linux?.cgroupsPath;
  } catch {
    // Killed before it called the runtime: only the folder is there.
  }
  if (intent !== undefined && cgroupsPath !== undefined) {
    await scrapContainer(createRuntime(intent), bundle, cgroupsPath);
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
      } else if (record.monitored && readExit(bundle) === undefined) {
        orphaned = true;
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const monitor = orphaned && !await isMonitored(state);
  if (monitor) await ensureMonitor(state, options.monitor);
  return { undone: undone.sort(), monitor };
}
