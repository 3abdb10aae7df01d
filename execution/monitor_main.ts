/**
 * The monitor as a program, which `run()` and its kin start by themselves:
 * `deno run -A jsr:@containerkit/execution/monitor-main <folder>`. Importing it
 * does nothing; `runMonitor()` is for programs that are their own monitor.
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
