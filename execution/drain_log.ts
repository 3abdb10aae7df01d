/**
 * Waiting for the log of a container to be whole.
 *
 * @module
 */

import { bundleOf, readRecord, STATE } from "./_bundle.ts";
import { conmonEnd } from "./_conmon.ts";
import { loggedHere } from "./_logged_here.ts";
import { monitorDrained } from "./_monitor_client.ts";
import type { OpenContainerOptions } from "./open_container.ts";
import { unlessAborted } from "./_unless_aborted.ts";

/** Options of {@linkcode drainLog}. */
export interface DrainLogOptions extends OpenContainerOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/**
 * Waits until a container has ended and its monitor or conmon has logged all that
 * it wrote, which is a little later. Without either it is logged by the program
 * that made the container: that one waits here in the same way, and nobody else can.
 *
 * @param id Its id.
 * @param options Where it is kept, and what ends the wait.
 * @throws {DOMException} Of the signal, if it is aborted first.
 *
 * @example Usage
 * ```ts ignore
 * import { drainLog, openContainer, readLog } from "@containerkit/execution";
 *
 * const { log } = openContainer("web");
 * for await (const { text } of readLog(log!, { follow: drainLog("web") })) {
 *   await Deno.stdout.write(text);
 * }
 * ```
 */
export async function drainLog(
  id: string,
  options: DrainLogOptions = {},
): Promise<void> {
  const { state = STATE, signal } = options;
  const bundle = bundleOf(state, id);
  const own = loggedHere.get(bundle.path);
  if (own !== undefined) return await unlessAborted(own.drained(), signal);
  const conmon = readRecord(bundle)?.conmon;
  await (conmon === undefined
    ? monitorDrained(state, id, signal)
    : conmonEnd(conmon, signal));
}
