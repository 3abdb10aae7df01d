import type { CgroupPaths } from "./_cgroup_paths.ts";
import type {
  SpecBlockIo,
  SpecCpu,
  SpecMemory,
  SpecResources,
} from "./spec_linux.ts";

/** A file of a cgroup and what to write to it. */
export interface CgroupWrite {
  readonly path: string;
  readonly value: string;
}

/** What the runtime alone can do: these fields, or where there is no such file. */
class ForRuntime extends Error {}

/** Files of one controller. */
type Files = (name: string, value: string | number) => CgroupWrite;

const unlimited = (value: number) => value < 0 ? "max" : value;

/** cgroup v1 refuses a limit above the one of memory and swap together, at every moment. */
function memoryV1(
  file: Files,
  { limit, swap, reservation, swappiness }: SpecMemory,
  read: (name: string) => string,
): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (limit !== undefined) {
    writes.push(file("memory.limit_in_bytes", limit));
  }
  if (swap !== undefined) {
    const grows = swap === -1 || swap > Number(read("memory.limit_in_bytes"));
    const write = file("memory.memsw.limit_in_bytes", swap);
    if (grows) writes.unshift(write);
    else writes.push(write);
  }
  if (reservation !== undefined) {
    writes.push(file("memory.soft_limit_in_bytes", reservation));
  }
  if (swappiness !== undefined) {
    writes.push(file("memory.swappiness", swappiness));
  }
  return writes;
}

/** cgroup v2 counts swap by itself, the specification together with memory. */
function memoryV2(
  file: Files,
  { limit, swap, reservation, swappiness }: SpecMemory,
): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (swappiness !== undefined) throw new ForRuntime();
  if (swap !== undefined) {
    // It has no limit of both together.
    if (swap >= 0 && (limit ?? -1) < 0) throw new ForRuntime();
    writes.push(file("memory.swap.max", swap < 0 ? "max" : swap - limit!));
  }
  if (limit !== undefined) writes.push(file("memory.max", unlimited(limit)));
  if (reservation !== undefined) {
    writes.push(file("memory.low", unlimited(reservation)));
  }
  return writes;
}

function cpuV1(
  file: Files,
  { shares, quota, period, burst, idle }: SpecCpu,
): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (shares !== undefined) writes.push(file("cpu.shares", shares));
  if (period !== undefined) writes.push(file("cpu.cfs_period_us", period));
  if (quota !== undefined) writes.push(file("cpu.cfs_quota_us", quota));
  if (burst !== undefined) writes.push(file("cpu.cfs_burst_us", burst));
  if (idle !== undefined) writes.push(file("cpu.idle", idle));
  return writes;
}

/** Shares of 2 to 262144 as a weight of 1 to 10000, with 1024 at 100: as runc and crun do. */
function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

function cpuV2(
  file: Files,
  { shares, quota, period, burst, idle }: SpecCpu,
  read: (name: string) => string,
): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (idle !== undefined) writes.push(file("cpu.idle", idle));
  if (shares !== undefined) writes.push(file("cpu.weight", cpuWeight(shares)));
  if (quota !== undefined || period !== undefined) {
    const [now = "max", usual = "100000"] = read("cpu.max").trim().split(" ");
    const allowed = quota === undefined ? now : quota <= 0 ? "max" : quota;
    writes.push(file("cpu.max", `${allowed} ${period ?? usual}`));
  }
  if (burst !== undefined) writes.push(file("cpu.max.burst", burst));
  return writes;
}

const THROTTLES = [
  ["throttleReadBpsDevice", "read_bps", "rbps"],
  ["throttleWriteBpsDevice", "write_bps", "wbps"],
  ["throttleReadIOPSDevice", "read_iops", "riops"],
  ["throttleWriteIOPSDevice", "write_iops", "wiops"],
] as const;

function blockIo(
  v1: Files | undefined,
  v2: Files,
  { weight, leafWeight, weightDevice, ...throttles }: SpecBlockIo,
): CgroupWrite[] {
  // Which file has the weight depends on the scheduler of each device.
  if ((weight ?? leafWeight ?? weightDevice) !== undefined) {
    throw new ForRuntime();
  }
  return THROTTLES.flatMap(([field, old, key]) =>
    (throttles[field] ?? []).map(({ major, minor, rate }) =>
      v1 === undefined
        ? v2("io.max", `${major}:${minor} ${key}=${rate === 0 ? "max" : rate}`)
        : v1(`blkio.throttle.${old}_device`, `${major}:${minor} ${rate}`)
    )
  );
}

/**
 * What has to be written, in this order, to change the limits of a container.
 *
 * @param read Gives the text of a file.
 * @returns The writes; `undefined` when only the runtime can do it.
 */
export function cgroupWrites(
  cgroups: CgroupPaths,
  resources: SpecResources,
  read: (path: string) => string,
): CgroupWrite[] | undefined {
  const { memory, cpu, pids, blockIO, hugepageLimits, unified, ...others } =
    resources;
  const isV1 = cgroups.memory !== undefined || cgroups.cpu !== undefined;
  /** The files of a controller of v1, else those of v2. */
  const filesOf = (controller: string): Files => {
    const folder = isV1 ? cgroups[controller] : cgroups.unified;
    return (name, value) => {
      if (folder === undefined) throw new ForRuntime();
      return { path: `${folder}/${name}`, value: String(value) };
    };
  };
  const readIn = (controller: string) => (name: string) =>
    read(filesOf(controller)(name, "").path);
  const {
    kernel,
    kernelTCP,
    disableOOMKiller,
    useHierarchy,
    checkBeforeUpdate,
    ...limits
  } = memory ?? {};
  const { realtimeRuntime, realtimePeriod, cpus, mems, ...time } = cpu ?? {};
  const left = [
    kernel,
    kernelTCP,
    disableOOMKiller,
    useHierarchy,
    checkBeforeUpdate,
    realtimeRuntime,
    realtimePeriod,
    ...Object.values(others),
  ];
  // Before 1.3 of the specification a limit of 0 was none.
  if (left.some((value) => value !== undefined) || pids?.limit === 0) {
    return undefined;
  }
  try {
    return [
      ...isV1
        ? memoryV1(filesOf("memory"), limits, readIn("memory"))
        : memoryV2(filesOf("memory"), limits),
      ...isV1
        ? cpuV1(filesOf("cpu"), time)
        : cpuV2(filesOf("cpu"), time, readIn("cpu")),
      ...Object.entries({ cpus, mems }).flatMap(([name, value]) =>
        value === undefined ? [] : [filesOf("cpuset")(`cpuset.${name}`, value)]
      ),
      ...pids === undefined
        ? []
        : [filesOf("pids")("pids.max", unlimited(pids.limit))],
      ...blockIo(
        isV1 ? filesOf("blkio") : undefined,
        filesOf("io"),
        blockIO ?? {},
      ),
      ...(hugepageLimits ?? []).map(({ pageSize, limit }) =>
        filesOf("hugetlb")(
          `hugetlb.${pageSize}.${isV1 ? "limit_in_bytes" : "max"}`,
          isV1 ? limit : unlimited(limit),
        )
      ),
      ...Object.entries(unified ?? {}).map(([name, value]) => {
        if (isV1 || !/^\w+(\.[\w-]+)+$/.test(name)) throw new ForRuntime();
        return filesOf("unified")(name, value);
      }),
    ];
  } catch (error) {
    if (error instanceof ForRuntime || error instanceof Deno.errors.NotFound) {
      return undefined;
    }
    throw error;
  }
}
