/**
 * The runtime configuration (`config.json`) as types.
 *
 * @module
 */

import type { SpecLinux } from "./spec_linux.ts";

/** Size of a terminal in characters. */
export interface ConsoleSize {
  /** Rows. */
  height: number;
  /** Columns. */
  width: number;
}

/** Who a process runs as, in the ids of the container. */
export interface SpecUser {
  /** User id. */
  uid: number;
  /** Group id. */
  gid: number;
  /** The file mode creation mask. */
  umask?: number;
  /** Supplementary groups. */
  additionalGids?: number[];
}

/** Sets of capabilities, see capabilities(7). */
export interface SpecCapabilities {
  /** What may ever be gained. */
  bounding?: string[];
  /** What is checked. */
  effective?: string[];
  /** What is kept through execve(2) of a file that has it too. */
  inheritable?: string[];
  /** What may be made effective. */
  permitted?: string[];
  /** What is kept through execve(2) without help of the file. */
  ambient?: string[];
}

/** A limit of getrlimit(2). */
export interface SpecRlimit {
  /** Such as `RLIMIT_NOFILE`. */
  type: string;
  /** The limit that holds; `2 ** 64` is none. */
  soft: number;
  /** Up to where it may be raised. */
  hard: number;
}

/** How a process is scheduled, see sched_setattr(2). */
export interface SpecScheduler {
  /** Such as `SCHED_BATCH`. */
  policy: string;
  /** Niceness, -20 to 19. */
  nice?: number;
  /** Priority of the real-time policies. */
  priority?: number;
  /** Such as `SCHED_FLAG_RESET_ON_FORK`. */
  flags?: string[];
  /** Nanoseconds, of `SCHED_DEADLINE`. */
  runtime?: number;
  /** Nanoseconds, of `SCHED_DEADLINE`. */
  deadline?: number;
  /** Nanoseconds, of `SCHED_DEADLINE`. */
  period?: number;
}

/** A process of a container. */
export interface SpecProcess {
  /** Whether it gets a pseudo terminal. */
  terminal?: boolean;
  /** The size that terminal starts with. */
  consoleSize?: ConsoleSize;
  /** Who it runs as. */
  user: SpecUser;
  /** The program and its arguments. */
  args?: string[];
  /** `NAME=value` each. */
  env?: string[];
  /** Working directory, absolute. */
  cwd: string;
  /** Its capabilities; without it none. */
  capabilities?: SpecCapabilities;
  /** Its limits. */
  rlimits?: SpecRlimit[];
  /** Refuses to gain rights through execve(2). */
  noNewPrivileges?: boolean;
  /** Profile of AppArmor, which must be loaded. */
  apparmorProfile?: string;
  /** Label of SELinux. */
  selinuxLabel?: string;
  /** -1000 to 1000; the higher the sooner killed. */
  oomScoreAdj?: number;
  /** How it is scheduled. */
  scheduler?: SpecScheduler;
  /** Class (`IOPRIO_CLASS_BE`, ...) and priority of its input and output. */
  ioPriority?: { class: string; priority: number };
  /** CPUs of the process at the start and afterwards, of an exec. */
  execCPUAffinity?: { initial?: string; final?: string };
}

/** A mount inside a container, made in the order of the list. */
export interface SpecMount {
  /** Absolute path in the container. */
  destination: string;
  /** The kernel's name of the filesystem. */
  type?: string;
  /** What is mounted. */
  source?: string;
  /** As mount(8) takes them. */
  options?: string[];
  /** User ids of an idmapped mount. */
  uidMappings?: SpecIdMapping[];
  /** Group ids of an idmapped mount. */
  gidMappings?: SpecIdMapping[];
}

/** A range of ids of a user namespace. */
export interface SpecIdMapping {
  /** First id in the container. */
  containerID: number;
  /** First id outside. */
  hostID: number;
  /** How many ids. */
  size: number;
}

/** A program that the runtime runs at a point of the lifecycle; it gets the state as JSON on its standard input. */
export interface SpecHook {
  /** Absolute path. */
  path: string;
  /** Arguments, the first being the name of the program. */
  args?: string[];
  /** `NAME=value` each; nothing is inherited. */
  env?: string[];
  /** Seconds after which it is killed, above 0. */
  timeout?: number;
}

/** Programs by the point of the lifecycle at which they run. */
export interface SpecHooks {
  /** Deprecated: like `createRuntime`. */
  prestart?: SpecHook[];
  /** After the namespaces are made, in those of the runtime. */
  createRuntime?: SpecHook[];
  /** The same, in those of the container. */
  createContainer?: SpecHook[];
  /** Before the program, in the container. */
  startContainer?: SpecHook[];
  /** After the program started. */
  poststart?: SpecHook[];
  /** After the container is deleted. */
  poststop?: SpecHook[];
}

/**
 * The configuration of a container, as
 * [config.md](https://github.com/opencontainers/runtime-spec/blob/main/config.md) of the OCI runtime
 * specification 1.3 defines it. Plain JSON; fields that are not listed here are kept.
 *
 * @example Usage
 * ```ts
 * import type { Spec } from "@containerkit/execution";
 *
 * const spec: Spec = {
 *   ociVersion: "1.0.2",
 *   root: { path: "/rootfs" },
 *   process: { user: { uid: 0, gid: 0 }, args: ["true"], cwd: "/" },
 * };
 * console.log(JSON.stringify(spec));
 * ```
 */
export interface Spec {
  /** Version of the specification it follows. */
  ociVersion: string;
  /** The first process. */
  process?: SpecProcess;
  /** The root filesystem: a folder, absolute or relative to the bundle. */
  root?: { path: string; readonly?: boolean };
  /** Name of the machine. */
  hostname?: string;
  /** NIS domain of the machine. */
  domainname?: string;
  /** What is mounted above the root filesystem, in this order. */
  mounts?: SpecMount[];
  /** Programs run along the lifecycle. */
  hooks?: SpecHooks;
  /** Free text by key. */
  annotations?: Record<string, string>;
  /** What only Linux has. */
  linux?: SpecLinux;
}
