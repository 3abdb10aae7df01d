/**
 * The part of the runtime configuration that only Linux has.
 *
 * @module
 */

import type { SpecIdMapping } from "./spec.ts";
import type { Seccomp } from "./seccomp.ts";

/** The kinds of namespaces. */
export type NamespaceType =
  | "pid"
  | "network"
  | "mount"
  | "ipc"
  | "uts"
  | "user"
  | "cgroup"
  | "time";

/** A namespace of its own, or with a path one that exists. */
export interface SpecNamespace {
  /** Which kind. */
  type: NamespaceType;
  /** File of the namespace to join. */
  path?: string;
}

/** A device file made in the container. */
export interface SpecDevice {
  /** Absolute path in the container. */
  path: string;
  /** Character (`c`, unbuffered `u`), block (`b`) or FIFO (`p`). */
  type: "c" | "b" | "u" | "p";
  /** Major number. */
  major?: number;
  /** Minor number. */
  minor?: number;
  /** Permission bits. */
  fileMode?: number;
  /** Owner in the container. */
  uid?: number;
  /** Group in the container. */
  gid?: number;
}

/** A rule of the device cgroup; the last that matches holds. */
export interface SpecDeviceRule {
  /** Whether access is given or taken. */
  allow: boolean;
  /** All (`a`), character or block devices. */
  type?: "a" | "c" | "b";
  /** Major number; none is all. */
  major?: number;
  /** Minor number; none is all. */
  minor?: number;
  /** Of read, write and mknod: `rwm`. */
  access?: string;
}

/** Limits of memory in bytes; -1 is none. */
export interface SpecMemory {
  /** Hard limit. */
  limit?: number;
  /** What the kernel tries to leave it. */
  reservation?: number;
  /** Hard limit of memory and swap together. */
  swap?: number;
  /** Hard limit of the kernel's memory; cgroup v1 only. */
  kernel?: number;
  /** Hard limit of the kernel's TCP buffers; cgroup v1 only. */
  kernelTCP?: number;
  /** 0 to 100; cgroup v1 only. */
  swappiness?: number;
  /** Stops instead of killing; cgroup v1 only. */
  disableOOMKiller?: boolean;
  /** Counts the children too; cgroup v1 only. */
  useHierarchy?: boolean;
  /** Refuses an update below what is in use. */
  checkBeforeUpdate?: boolean;
}

/** Shares and limits of CPU time. */
export interface SpecCpu {
  /** Relative weight, 2 to 262144; the kernel's default is 1024. */
  shares?: number;
  /** Microseconds per period; -1 is no limit. */
  quota?: number;
  /** Microseconds that may be saved up. */
  burst?: number;
  /** Microseconds. */
  period?: number;
  /** Microseconds of real-time scheduling per period. */
  realtimeRuntime?: number;
  /** Microseconds. */
  realtimePeriod?: number;
  /** Which CPUs, such as `0-3,7`. */
  cpus?: string;
  /** Which memory nodes, such as `0`. */
  mems?: string;
  /** 1 runs it only when nothing else wants to. */
  idle?: number;
}

/** A limit of input or output of one block device. */
export interface SpecThrottle {
  /** Major number. */
  major: number;
  /** Minor number. */
  minor: number;
  /** Bytes or operations per second. */
  rate: number;
}

/** Weights and limits of block devices. */
export interface SpecBlockIo {
  /** 10 to 1000. */
  weight?: number;
  /** The same among its children; cgroup v1 only. */
  leafWeight?: number;
  /** Weights by device. */
  weightDevice?: {
    major: number;
    minor: number;
    weight?: number;
    leafWeight?: number;
  }[];
  /** Bytes per second read. */
  throttleReadBpsDevice?: SpecThrottle[];
  /** Bytes per second written. */
  throttleWriteBpsDevice?: SpecThrottle[];
  /** Reads per second. */
  throttleReadIOPSDevice?: SpecThrottle[];
  /** Writes per second. */
  throttleWriteIOPSDevice?: SpecThrottle[];
}

/** What a container may use, see cgroups(7). */
export interface SpecResources {
  /** Access to devices, in this order. */
  devices?: SpecDeviceRule[];
  /** Memory. */
  memory?: SpecMemory;
  /** CPU time. */
  cpu?: SpecCpu;
  /** Number of tasks; -1 is no limit. */
  pids?: { limit: number };
  /** Block devices. */
  blockIO?: SpecBlockIo;
  /** Huge pages by size, such as `2MB`; limits in bytes. */
  hugepageLimits?: { pageSize: string; limit: number }[];
  /** Class and priorities of network packets; cgroup v1 only. */
  network?: {
    classID?: number;
    priorities?: { name: string; priority: number }[];
  };
  /** RDMA by device. */
  rdma?: Record<string, { hcaHandles?: number; hcaObjects?: number }>;
  /** Files of cgroup v2 and what to write. */
  unified?: Record<string, string>;
}

/** What only Linux has. */
export interface SpecLinux {
  /** User ids of the user namespace. */
  uidMappings?: SpecIdMapping[];
  /** Group ids of the user namespace. */
  gidMappings?: SpecIdMapping[];
  /** Parameters of the kernel that are per namespace. */
  sysctl?: Record<string, string>;
  /** What it may use. */
  resources?: SpecResources;
  /** Where it stands in the cgroup tree. */
  cgroupsPath?: string;
  /** What it does not share. */
  namespaces?: SpecNamespace[];
  /** Device files to make. */
  devices?: SpecDevice[];
  /** Interfaces of the host to move in, by name; with the new name. */
  netDevices?: Record<string, { name?: string }>;
  /** Which system calls are allowed. */
  seccomp?: Seccomp;
  /** Propagation of the root mount. */
  rootfsPropagation?: "private" | "slave" | "shared" | "unbindable";
  /** Hidden. */
  maskedPaths?: string[];
  /** Read-only. */
  readonlyPaths?: string[];
  /** Label of SELinux for mounts. */
  mountLabel?: string;
  /** Cache and bandwidth by Intel's resource director. */
  intelRdt?: {
    closID?: string;
    schemata?: string[];
    l3CacheSchema?: string;
    memBwSchema?: string;
    enableMonitoring?: boolean;
  };
  /** NUMA policy, see set_mempolicy(2). */
  memoryPolicy?: { mode: string; nodes: string; flags?: string[] };
  /** Execution domain, see personality(2). */
  personality?: { domain: "LINUX" | "LINUX32"; flags?: string[] };
  /** Offsets of the clocks of the time namespace. */
  timeOffsets?: Partial<
    Record<"monotonic" | "boottime", { secs?: number; nanosecs?: number }>
  >;
}
