/**
 * A container.
 *
 * @module
 */

import type { ContainerMetrics } from "./container_metrics.ts";
import type { ContainerProcess } from "./container_process.ts";
import type { ExecOptions } from "./exec_options.ts";
import type { ContainerLog } from "./log_options.ts";
import type { RuntimeStatus } from "./runtime_state.ts";
import type { RuntimeOptions } from "./runtime.ts";
import type { SpecResources } from "./spec_linux.ts";

/** Where containers are kept and what runs them. */
export interface ContainerOptions {
  /**
   * Folder for what belongs to this boot; a container has its bundle in `containers/<id>` of it.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
  /**
   * The OCI runtime; the root of its state is `runtime` in the folder above unless given.
   *
   * @default {{ command: "runc" }}
   */
  readonly runtime?: RuntimeOptions;
}

/**
 * A container and its first process.
 *
 * Disposing it kills every process in it, waits for their end, deletes the
 * container and removes its bundle. After `keep()` disposing only lets go: it
 * is found again by {@linkcode openContainer} and removed by {@linkcode deleteContainer}.
 */
export interface Container extends ContainerProcess {
  /** Its id. */
  readonly id: string;
  /** Folder with `config.json` and what else belongs to it. */
  readonly bundle: string;
  /** The runtime it was made by. */
  readonly runtime: Required<RuntimeOptions>;
  /** Folders of its cgroup: by controller where cgroup v1 has it, and `unified` for cgroup v2. */
  readonly cgroups: Readonly<Record<string, string>>;
  /** Where its output is kept, if it is. */
  readonly log: ContainerLog | undefined;
  /** When it was made, as RFC 3339 in UTC. */
  readonly created: string;
  /**
   * Starts the program of a container that is only created.
   *
   * @throws {RuntimeError} If it was started before (`AlreadyRunning`), has ended (`NotRunning`), is paused (`Paused`), or its program cannot be run (`CommandNotFound`).
   */
  start(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Tells where it stands, from the kernel: no program is started. */
  state(): RuntimeStatus;
  /** Measures what it uses, from the kernel: no program is started. */
  stats(): ContainerMetrics;
  /** Lists its processes by their ids on the host. */
  pids(): number[];
  /**
   * Starts a further process in it, as {@linkcode exec} does.
   *
   * @param args The program and its arguments.
   * @param options How it runs.
   * @returns The process.
   */
  exec(
    args: readonly string[],
    options?: Omit<ExecOptions, "state">,
  ): Promise<ContainerProcess>;
  /** Sends a signal to every process in it, if there are any; `SIGKILL` by default. */
  killAll(signal?: string): void;
  /** Freezes every process in it. */
  pause(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Lets them go on. */
  resume(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Changes its limits. */
  update(
    resources: SpecResources,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
}
