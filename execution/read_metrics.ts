/**
 * Measuring what containers use.
 *
 * @module
 */

import { CgroupReader } from "./_cgroup_reader.ts";
import type { ContainerMetrics } from "./container_metrics.ts";
import { measure } from "./_measure.ts";

/**
 * Measures what a container uses, from the files of its cgroups and of its
 * first process. No program is started.
 *
 * @param cgroups Folders of its cgroup: by controller where cgroup v1 has it, and `unified` for cgroup v2.
 * @param pid Its first process, for the network.
 * @returns The measures; what the kernel does not account for is absent.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html
 *
 * @example Usage
 * ```ts
 * import { readMetrics } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readMetrics({}, 0).memory, undefined);
 * ```
 */
export function readMetrics(
  cgroups: Readonly<Record<string, string>>,
  pid: number,
): ContainerMetrics {
  using reader = new CgroupReader();
  return measure(reader, cgroups, pid);
}
