import type { CgroupReader } from "./_cgroup_reader.ts";
import { type Folder, pressure, usage, usageV1 } from "./_cgroup_usage.ts";
import type { ContainerMetrics, UsageMetrics } from "./container_metrics.ts";
import { defined } from "./_defined.ts";
import { cpuV1, cpuV2 } from "./_measure_cpu.ts";
import { ioV1, ioV2 } from "./_measure_io.ts";
import { memoryV1, memoryV2 } from "./_measure_memory.ts";
import { interfaces, ownNetwork } from "./_measure_network.ts";

function hugepages(
  reader: CgroupReader,
  unified: Folder,
  v1: Folder,
): Record<string, UsageMetrics> | undefined {
  const folder = v1 ?? unified;
  if (folder === undefined) return undefined;
  const sizes: Record<string, UsageMetrics> = {};
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const [, size] = /^hugetlb\.(\d+[KMG]B)\.(?:current|usage_in_bytes)$/
        .exec(name) ?? [];
      if (size === undefined) continue;
      const found = v1 === undefined
        ? usage(reader, folder, {
          usage: `hugetlb.${size}.current`,
          limit: `hugetlb.${size}.max`,
        })
        : usageV1(reader, folder, `hugetlb.${size}`);
      if (found !== undefined) sizes[size] = found;
    }
  } catch {
    return undefined;
  }
  return Object.keys(sizes).length === 0 ? undefined : sizes;
}

/** `mlx4_0 hca_handle=2 hca_object=2000` */
function rdma(
  reader: CgroupReader,
  folder: Folder,
): ContainerMetrics["rdma"] {
  const lines = reader.text(folder, "rdma.current")?.split("\n").filter(
    Boolean,
  );
  if (lines === undefined || lines.length === 0) return undefined;
  return Object.fromEntries(lines.map((line) => {
    const [device = "", ...fields] = line.split(" ");
    return [
      device,
      Object.fromEntries(fields.map((field) => {
        const [name = "", value] = field.split("=");
        return [name, Number(value)];
      })),
    ];
  }));
}

/** Measures what a container uses. */
export function measure(
  reader: CgroupReader,
  cgroups: Readonly<Record<string, string>>,
  pid: number,
): ContainerMetrics {
  const { unified, memory, cpu, cpuacct, blkio, pids, hugetlb } = cgroups;
  // Files of controllers that are elsewhere need not be looked for.
  const v2 = reader.text(unified, "cgroup.controllers")?.trim().split(" ") ??
    [];
  const with2 = (controller: string) =>
    v2.includes(controller) ? unified : undefined;
  const devices = blkio === undefined
    ? ioV2(reader, with2("io"))
    : ioV1(reader, blkio);
  return defined<ContainerMetrics>({
    time: new Date().toISOString(),
    cgroupVersion: memory === undefined ? 2 : 1,
    pids: usage(reader, pids ?? unified, {
      usage: "pids.current",
      peak: "pids.peak",
      limit: "pids.max",
    }),
    cpu: cpuacct === undefined
      ? cpuV2(reader, unified)
      : cpuV1(reader, cpu, cpuacct, unified),
    memory: memory === undefined
      ? memoryV2(reader, unified)
      : memoryV1(reader, memory, unified),
    io: devices === undefined ? undefined : defined({
      devices,
      pressure: pressure(reader, unified, "io.pressure"),
    }),
    hugepages: hugepages(reader, with2("hugetlb"), hugetlb),
    rdma: rdma(reader, cgroups.rdma ?? with2("rdma")),
    network: ownNetwork(pid) ? interfaces(reader, pid) : undefined,
  });
}
