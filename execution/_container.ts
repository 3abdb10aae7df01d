import type { Bundle, ContainerRecord } from "./_bundle.ts";
import { cgroupPids, signalCgroup } from "./_cgroup_procs.ts";
import { containerStatus } from "./_container_status.ts";
import type { Container } from "./container.ts";
import type { ContainerProcess } from "./container_process.ts";
import { createRuntime } from "./create_runtime.ts";
import type { ExecOptions } from "./exec_options.ts";
import { freeze } from "./_freeze.ts";
import type { ContainerLog } from "./log_options.ts";
import { Process, type ProcessParts } from "./_process.ts";
import { removeContainer } from "./_remove_container.ts";
import type { Runtime, RuntimeOptions } from "./runtime.ts";
import type { RuntimeStatus } from "./runtime_state.ts";
import { signalNumber } from "./_signals.ts";
import type { SpecResources } from "./spec_linux.ts";
import { startExec } from "./_start_exec.ts";

const SIGKILL = 9;

/** What a container is made of. */
export interface ContainerParts extends ProcessParts {
  /** Its files. */
  readonly files: Bundle;
  /** What is known of it. */
  readonly record: ContainerRecord;
}

/** A container and its first process. */
export class ContainerImpl extends Process implements Container {
  readonly id: string;
  readonly created: string;
  readonly #bundle: Bundle;
  readonly #record: ContainerRecord;
  readonly #runtime: Runtime;
  /** Further processes whose end is told before that of the first. */
  readonly #execs = new Set<ContainerProcess>();

  constructor(parts: ContainerParts) {
    super(parts);
    this.id = parts.record.id;
    this.created = parts.record.created;
    this.#bundle = parts.files;
    this.#record = parts.record;
    this.#runtime = createRuntime(parts.record.runtime);
  }

  get bundle(): string {
    return this.#bundle.path;
  }

  get runtime(): Required<RuntimeOptions> {
    return this.#record.runtime;
  }

  get cgroups(): Readonly<Record<string, string>> {
    return this.#record.cgroups;
  }

  start(options?: { readonly signal?: AbortSignal }): Promise<void> {
    return this.#runtime.start(this.id, options);
  }

  get log(): ContainerLog | undefined {
    return this.#record.log;
  }

  state(): RuntimeStatus {
    return containerStatus(this.#record, this.#bundle);
  }

  pids(): number[] {
    return cgroupPids(this.#record.cgroups);
  }

  async exec(
    args: readonly string[],
    options: Omit<ExecOptions, "state"> = {},
  ): Promise<ContainerProcess> {
    const process = await startExec(this.#bundle, this.#record, args, options);
    this.#execs.add(process);
    process.status.catch(() => {}).finally(() => this.#execs.delete(process));
    return process;
  }

  killAll(signal = "SIGKILL"): void {
    signalCgroup(this.#record.cgroups, signalNumber(signal));
  }

  pause(options?: { readonly signal?: AbortSignal }): Promise<void> {
    return freeze(this.#runtime, this.#record, this.#bundle, true, options);
  }

  resume(options?: { readonly signal?: AbortSignal }): Promise<void> {
    return freeze(this.#runtime, this.#record, this.#bundle, false, options);
  }

  update(
    resources: SpecResources,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void> {
    return this.#runtime.update(this.id, resources, options);
  }

  /** Without a pid namespace of its own the others outlive the first process. */
  protected override async beforeStatus(): Promise<void> {
    if (this.#record.sharedPids) signalCgroup(this.#record.cgroups, SIGKILL);
    await Promise.allSettled([...this.#execs].map(({ status }) => status));
  }

  protected override killQuietly(): void {
    super.killQuietly();
    if (!this.hasEnded) signalCgroup(this.#record.cgroups, SIGKILL);
  }

  protected override remove(): Promise<void> {
    return removeContainer(this.#runtime, this.#bundle, this.#record);
  }
}
