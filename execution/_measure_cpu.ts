import type { CgroupReader } from "./_cgroup_reader.ts";
import { type Folder, pressure } from "./_cgroup_usage.ts";
import type { CpuMetrics } from "./container_metrics.ts";
import { defined } from "./_defined.ts";

const NS_PER_US = 1000;
/** `USER_HZ`, which is 100 on every architecture that Linux containers run on. */
const US_PER_TICK = 10_000;

/** Processor time by cgroup v2. */
export function cpuV2(
  reader: CgroupReader,
  folder: Folder,
): CpuMetrics | undefined {
  const stat = reader.fields(folder, "cpu.stat");
  if (stat?.usage_usec === undefined) return undefined;
  return defined<CpuMetrics>({
    usage: stat.usage_usec,
    user: stat.user_usec ?? 0,
    system: stat.system_usec ?? 0,
    perCpu: undefined,
    periods: stat.nr_periods ?? 0,
    throttledPeriods: stat.nr_throttled ?? 0,
    throttled: stat.throttled_usec ?? 0,
    bursts: stat.nr_bursts,
    burst: stat.burst_usec,
    pressure: pressure(reader, folder, "cpu.pressure"),
  });
}

/** Processor time by cgroup v1. */
export function cpuV1(
  reader: CgroupReader,
  cpu: Folder,
  cpuacct: Folder,
  unified: Folder,
): CpuMetrics | undefined {
  const total = reader.number(cpuacct, "cpuacct.usage");
  if (total === undefined) return undefined;
  const split = reader.fields(cpuacct, "cpuacct.stat") ?? {};
  const stat = reader.fields(cpu, "cpu.stat") ?? {};
  return defined<CpuMetrics>({
    usage: total / NS_PER_US,
    user: (split.user ?? 0) * US_PER_TICK,
    system: (split.system ?? 0) * US_PER_TICK,
    perCpu: reader.text(cpuacct, "cpuacct.usage_percpu")?.trim().split(" ").map(
      (text) => Number(text) / NS_PER_US,
    ),
    periods: stat.nr_periods ?? 0,
    throttledPeriods: stat.nr_throttled ?? 0,
    throttled: (stat.throttled_time ?? 0) / NS_PER_US,
    bursts: stat.nr_bursts,
    burst: stat.burst_time === undefined
      ? undefined
      : stat.burst_time / NS_PER_US,
    pressure: pressure(reader, unified, "cpu.pressure"),
  });
}
