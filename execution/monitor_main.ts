/**
 * The monitor as a program: `deno run -A monitor_main.ts <folder>`.
 *
 * ```ts ignore
 * import "@containerkit/execution/monitor-main";
 * ```
 *
 * @module
 */

import { runMonitor } from "./run_monitor.ts";

if (import.meta.main) {
  const [state] = Deno.args;
  if (state === undefined) {
    throw new TypeError("Cannot monitor: no folder given");
  }
  await runMonitor({ state });
}
