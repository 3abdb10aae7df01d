/**
 * Waiting for the log of a container to be whole.
 *
 * @module
 */

import { STATE } from "./_bundle.ts";
import { monitorDrained } from "./_monitor_client.ts";
import type { OpenContainerOptions } from "./open_container.ts";

/**
 * Waits until a container has ended and its monitor has logged all that it wrote,
 * which is a little later. Without a monitor it is logged by the program that
 * made the container, for which nobody else can wait.
 *
 * @param id Its id.
 * @param options Where it is kept.
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
  options: OpenContainerOptions = {},
): Promise<void> {
  await monitorDrained(options.state ?? STATE, id);
}
