import type { CgroupReader } from "./_cgroup_reader.ts";
import type {
  ContainerMetrics,
  CpuMetrics,
  DeviceMetrics,
  InterfaceMetrics,
  MemoryMetrics,
  Pressure,
  PressureLine,
  UsageMetrics,
} from "./container_metrics.ts";
import { defined } from "./_defined.ts";

type Folder = string | undefined;

const NS_PER_US = 1000;
/** `USER_HZ`, which is 100 on every architecture that Linux containers run on. */
const US_PER_TICK = 10_000;

function pressure(
  reader: CgroupReader,
  folder: Folder,
  file: string,
): Pressure | undefined {
  const text = reader.text(folder, file);
  if (!text) return undefined;
  const lines: Record<string, PressureLine> = {};
  for (const line of text.split("\n")) {
    const [kind, ...fields] = line.split(" ");
    if (kind === undefined || kind === "") continue;
    lines[kind] = Object.fromEntries(
      fields.map((field) => {
        const [name = "", value] = field.split("=");
        return [name, Number(value)];
      }),
    ) as unknown as PressureLine;
  }
  return lines;
}

function usage(
  reader: CgroupReader,
  folder: Folder,
  files: { usage: string; peak?: string; limit?: string; failures?: string },
): UsageMetrics | undefined {
  const now = reader.number(folder, files.usage);
  if (now === undefined) return undefined;
  const optional = (file: string | undefined) =>
    file === undefined ? undefined : reader.number(folder, file);
  return defined<UsageMetrics>({
    usage: now,
    peak: optional(files.peak),
    limit: optional(files.limit),
    failures: optional(files.failures),
  });
}

function usageV1(
  reader: CgroupReader,
  folder: Folder,
  prefix: string,
): UsageMetrics | undefined {
  return usage(reader, folder, {
    usage: `${prefix}.usage_in_bytes`,
    peak: `${prefix}.max_usage_in_bytes`,
    limit: `${prefix}.limit_in_bytes`,
    failures: `${prefix}.failcnt`,
  });
}

function cpuV2(
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

function cpuV1(
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

function memoryV2(
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

function memoryV1(
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

/**
 * `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`. Linux 5.15 ends no line for a device
 * that did nothing: what follows its name is the next one's.
 */
function ioV2(
  reader: CgroupReader,
  folder: Folder,
): DeviceMetrics[] | undefined {
  return reader.text(folder, "io.stat")?.split("\n").flatMap((line) => {
    const [, major, minor, fields = ""] = /(\d+):(\d+) ([^:]*)$/.exec(line) ??
      [];
    if (major === undefined) return []; // of a device that has gone
    const stat = Object.fromEntries(
      fields.split(" ").map((field) => field.split("=") as [string, string]),
    );
    return [{
      major: Number(major),
      minor: Number(minor),
      readBytes: Number(stat.rbytes ?? 0),
      writeBytes: Number(stat.wbytes ?? 0),
      reads: Number(stat.rios ?? 0),
      writes: Number(stat.wios ?? 0),
    }];
  });
}

const V1_FIELDS: Readonly<
  Record<string, Readonly<Record<string, keyof DeviceMetrics>>>
> = {
  "blkio.throttle.io_service_bytes_recursive": {
    Read: "readBytes",
    Write: "writeBytes",
  },
  "blkio.throttle.io_serviced_recursive": { Read: "reads", Write: "writes" },
};

/** `8:0 Read 123` */
function ioV1(
  reader: CgroupReader,
  folder: Folder,
): DeviceMetrics[] | undefined {
  const devices = new Map<
    string,
    { -readonly [K in keyof DeviceMetrics]: DeviceMetrics[K] }
  >();
  for (const [file, fields] of Object.entries(V1_FIELDS)) {
    const text = reader.text(folder, file);
    if (text === undefined) return undefined;
    for (const line of text.split("\n")) {
      const [device = "", operation = "", value] = line.split(" ");
      const field = fields[operation];
      if (field === undefined) continue;
      const [major = 0, minor = 0] = device.split(":").map(Number);
      const entry = devices.get(device) ??
        {
          major,
          minor,
          readBytes: 0,
          writeBytes: 0,
          reads: 0,
          writes: 0,
        };
      entry[field] = Number(value);
      devices.set(device, entry);
    }
  }
  return [...devices.values()];
}

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

/** `eth0: 1 2 3 4 ...`: eight numbers in, eight out. */
function interfaces(
  reader: CgroupReader,
  pid: number,
): InterfaceMetrics[] | undefined {
  const text = reader.allText(`/proc/${pid}/net/dev`);
  return text?.split("\n").slice(2).filter(Boolean).map((line) => {
    const [name = "", rest = ""] = line.split(":");
    const numbers = rest.trim().split(/\s+/).map(Number);
    const at = (index: number) => numbers[index] ?? 0;
    return {
      name: name.trim(),
      receivedBytes: at(0),
      receivedPackets: at(1),
      receiveErrors: at(2) + at(3),
      sentBytes: at(8),
      sentPackets: at(9),
      sendErrors: at(10) + at(11),
    };
  });
}

function ownNetwork(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`) !==
      Deno.readLinkSync("/proc/self/ns/net");
  } catch {
    return false;
  }
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
