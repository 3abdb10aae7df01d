/**
 * What containers use.
 *
 * @module
 */

/** Share of time in which tasks waited, in percent, and the total time. */
export interface PressureLine {
  /** Average of the last 10 seconds in percent. */
  readonly avg10: number;
  /** Average of the last minute in percent. */
  readonly avg60: number;
  /** Average of the last five minutes in percent. */
  readonly avg300: number;
  /** Microseconds since the start. */
  readonly total: number;
}

/** Pressure stall information, see the kernel's `accounting/psi`. */
export interface Pressure {
  /** Time in which some task waited. */
  readonly some?: PressureLine;
  /** Time in which all of them waited. */
  readonly full?: PressureLine;
}

/** CPU time in microseconds. */
export interface CpuMetrics {
  /** All of it. */
  readonly usage: number;
  /** In programs. */
  readonly user: number;
  /** In the kernel. */
  readonly system: number;
  /** By CPU; cgroup v1 only. */
  readonly perCpu?: readonly number[];
  /** Periods of the quota that have passed. */
  readonly periods: number;
  /** How many of them were used up. */
  readonly throttledPeriods: number;
  /** Time spent waiting for the next one. */
  readonly throttled: number;
  /** Periods in which more was used than the quota; cgroup v2 only. */
  readonly bursts?: number;
  /** Time used above it; cgroup v2 only. */
  readonly burst?: number;
  /** Waiting for CPUs. */
  readonly pressure?: Pressure;
}

/** A resource in bytes and its bounds. */
export interface UsageMetrics {
  /** Now. */
  readonly usage: number;
  /** The most it was, where the kernel tells. */
  readonly peak?: number;
  /** The limit, if there is one. */
  readonly limit?: number;
  /** How often the limit was hit. */
  readonly failures?: number;
}

/** How often something happened for want of memory. */
export interface MemoryEvents {
  /** Reclaimed below the protected amount. */
  readonly low?: number;
  /** Slowed down above `memory.high`. */
  readonly high?: number;
  /** The limit was about to be exceeded. */
  readonly max?: number;
  /** Nothing could be reclaimed. */
  readonly oom?: number;
  /** Processes killed. */
  readonly oomKill: number;
  /** Times the whole group was killed. */
  readonly oomGroupKill?: number;
}

/** Memory in bytes. */
export interface MemoryMetrics extends UsageMetrics {
  /** Swap; with cgroup v1 memory and swap together. */
  readonly swap?: UsageMetrics;
  /** The kernel's memory; cgroup v1 only. */
  readonly kernel?: UsageMetrics;
  /** The kernel's TCP buffers; cgroup v1 only. */
  readonly kernelTcp?: UsageMetrics;
  /** Every field of `memory.stat`. */
  readonly stat: Readonly<Record<string, number>>;
  /** Events. */
  readonly events: MemoryEvents;
  /** Waiting for memory. */
  readonly pressure?: Pressure;
}

/** Input and output of one block device. */
export interface DeviceMetrics {
  /** Major number. */
  readonly major: number;
  /** Minor number. */
  readonly minor: number;
  /** Bytes read. */
  readonly readBytes: number;
  /** Bytes written. */
  readonly writeBytes: number;
  /** Reads. */
  readonly reads: number;
  /** Writes. */
  readonly writes: number;
}

/** What passed through one interface of the network. */
export interface InterfaceMetrics {
  /** Its name in the container. */
  readonly name: string;
  /** Bytes received. */
  readonly receivedBytes: number;
  /** Packets received. */
  readonly receivedPackets: number;
  /** Packets lost or broken on the way in. */
  readonly receiveErrors: number;
  /** Bytes sent. */
  readonly sentBytes: number;
  /** Packets sent. */
  readonly sentPackets: number;
  /** Packets lost or broken on the way out. */
  readonly sendErrors: number;
}

/** What a container uses, at one moment. A part is absent where the kernel does not account for it. */
export interface ContainerMetrics {
  /** The moment, as RFC 3339 in UTC. */
  readonly time: string;
  /** Version of the cgroups that account for memory. */
  readonly cgroupVersion: 1 | 2;
  /** Tasks. */
  readonly pids?: UsageMetrics;
  /** CPU time. */
  readonly cpu?: CpuMetrics;
  /** Memory. */
  readonly memory?: MemoryMetrics;
  /** Block devices. */
  readonly io?: {
    /** By device. */
    readonly devices: readonly DeviceMetrics[];
    /** Waiting for them. */
    readonly pressure?: Pressure;
  };
  /** Huge pages by size, such as `2MB`. */
  readonly hugepages?: Readonly<Record<string, UsageMetrics>>;
  /** RDMA by device. */
  readonly rdma?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Interfaces, if the container has a network namespace of its own. */
  readonly network?: readonly InterfaceMetrics[];
}
