/**
 * Waiting for the log of a container to be whole.
 *
 * @module
 */

import { STATE } from "./_bundle.ts";
import { monitorDrained } from "./_monitor_client.ts";
import type { OpenContainerOptions } from "./open_container.ts";

/** Options of {@linkcode drainLog}. */
export interface DrainLogOptions extends OpenContainerOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/**
 * Waits until a container has ended and its monitor has logged all that it wrote,
 * which is a little later. Without a monitor it is logged by the program that
 * made the container, for which nobody else can wait.
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
  await monitorDrained(state, id, signal);
}
