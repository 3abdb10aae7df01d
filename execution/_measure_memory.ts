import type { CgroupReader } from "./_cgroup_reader.ts";
import { type Folder, pressure, usage, usageV1 } from "./_cgroup_usage.ts";
import type { MemoryMetrics } from "./container_metrics.ts";
import { defined } from "./_defined.ts";

/** Memory by cgroup v2. */
export function memoryV2(
  reader: CgroupReader,
  folder: Folder,
): MemoryMetrics | undefined {
  const total = usage(reader, folder, {
    usage: "memory.current",
    peak: "memory.peak",
    limit: "memory.max",
  });
  if (total === undefined) return undefined;
  const events = reader.fields(folder, "memory.events") ?? {};
  return defined<MemoryMetrics>({
    ...total,
    swap: usage(reader, folder, {
      usage: "memory.swap.current",
      peak: "memory.swap.peak",
      limit: "memory.swap.max",
    }),
    stat: reader.fields(folder, "memory.stat") ?? {},
    events: defined({
      low: events.low,
      high: events.high,
      max: events.max,
      oom: events.oom,
      oomKill: events.oom_kill ?? 0,
      oomGroupKill: events.oom_group_kill,
    }),
    pressure: pressure(reader, folder, "memory.pressure"),
  } as MemoryMetrics);
}

/** Memory by cgroup v1. */
export function memoryV1(
  reader: CgroupReader,
  folder: Folder,
  unified: Folder,
): MemoryMetrics | undefined {
  const total = usageV1(reader, folder, "memory");
  if (total === undefined) return undefined;
  return defined<MemoryMetrics>({
    ...total,
    swap: usageV1(reader, folder, "memory.memsw"),
    kernel: usageV1(reader, folder, "memory.kmem"),
    kernelTcp: usageV1(reader, folder, "memory.kmem.tcp"),
    stat: reader.fields(folder, "memory.stat") ?? {},
    events: {
      oomKill: reader.fields(folder, "memory.oom_control")?.oom_kill ?? 0,
    },
    pressure: pressure(reader, unified, "memory.pressure"),
  } as MemoryMetrics);
}
