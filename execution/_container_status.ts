import type { Bundle, ContainerRecord } from "./_bundle.ts";
import { frozenState } from "./_freeze.ts";
import { isThere } from "./_is_there.ts";
import { processStat } from "./_process_stat.ts";
import type { RuntimeStatus } from "./runtime_state.ts";

/** Where a container stands, from what the kernel and the runtime leave in files. */
export function containerStatus(
  record: ContainerRecord,
  bundle: Bundle,
): RuntimeStatus {
  const stat = processStat(record.pid);
  if (
    stat === undefined || stat.startTime !== record.startTime ||
    stat.state === "Z" || stat.state === "X"
  ) return "stopped";
  if (frozenState(record.cgroups)) return "paused";
  // runc and crun have it from create to start.
  return isThere(`${record.runtime.root}/${bundle.id}/exec.fifo`)
    ? "created"
    : "running";
}
