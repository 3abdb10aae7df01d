import type { State } from "@containerkit/state";
import { type Bundle, type ContainerRecord, isTold } from "./_bundle.ts";
import { cgroupPids, isInside, signalCgroup } from "./_cgroup_procs.ts";
import { conmonExit } from "./_conmon.ts";
import { containerStatus } from "./_container_status.ts";
import type { Container } from "./container.ts";
import type { ContainerProcess, ContainerStatus } from "./container_process.ts";
import type { ContainerEvent } from "./container_event.ts";
import type { ContainerMetrics } from "./container_metrics.ts";
import { addEvent, emitEvent, openEvents } from "./_events.ts";
import { askMonitor } from "./_monitor_client.ts";
import { CgroupReader } from "./_cgroup_reader.ts";
import { measure } from "./_measure.ts";
import { sweep } from "./_sweep.ts";
import { watchOom } from "./_watch_oom.ts";
import { createRuntime } from "./create_runtime.ts";
import type { ExecOptions } from "./exec_options.ts";
import type { KeptChild } from "./_orphans.ts";
import type { KnownExit } from "./_exit.ts";
import { freeze, thawKilled } from "./_freeze.ts";
import { loggedHere } from "./_logged_here.ts";
import type { ContainerLog } from "./log_options.ts";
import { startNatively } from "./_native_runc.ts";
import { Process, type ProcessParts } from "./_process.ts";
import { readMetrics } from "./read_metrics.ts";
import { removeContainer } from "./_remove_container.ts";
import type { Runtime, RuntimeOptions } from "./runtime.ts";
import type { RuntimeStatus } from "./runtime_state.ts";
import { RuntimeError } from "./runtime_error.ts";
import { SIGKILL, signalNumber } from "./_signals.ts";
import type { SpecResources } from "./spec_linux.ts";
import { startExec } from "./_start_exec.ts";
import { updateResources } from "./_update_resources.ts";

/** What a container is made of. */
export interface ContainerParts extends ProcessParts {
  /** Its files. */
  readonly files: Bundle;
  /** What is known of it. */
  readonly record: ContainerRecord;
  /** Whether this program made it or holds its streams, as a monitor does. */
  readonly holder?: boolean;
  /** Whether it was made just now. */
  readonly isNew?: boolean;
}

/** Opens the events for who tells the most; whoever is new is told of. */
function openTold(
  { files, record, isNew }: ContainerParts,
): State {
  using undo = new DisposableStack();
  const events = undo.use(openEvents(files.state));
  const { id, pid } = record;
  if (isNew) addEvent(events, { type: "create", id, pid });
  undo.move();
  return events;
}

/** A container and its first process. */
export class ContainerImpl extends Process implements Container {
  readonly id: string;
  readonly created: string;
  readonly #bundle: Bundle;
  readonly #record: ContainerRecord;
  readonly #runtime: Runtime;
  /** Open all the time only in the program that tells the most. */
  readonly #events: State | undefined;
  readonly #holder: boolean;
  #reader: CgroupReader | undefined;
  readonly #oom = new AbortController();
  #oomTold = false;
  /** Settles when the start is told, which is before the end. */
  #starting: Promise<void> = Promise.resolve();
  /** Further processes whose end is told before that of the first. */
  readonly #execs = new Set<ContainerProcess>();

  constructor(parts: ContainerParts) {
    // What may fail comes before anything is begun that would go on.
    const events = parts.holder ? openTold(parts) : undefined;
    super({ ...parts, oom: parts.record.oom });
    this.id = parts.record.id;
    this.created = parts.record.created;
    this.#bundle = parts.files;
    this.#record = parts.record;
    this.#runtime = createRuntime(parts.record.runtime);
    this.#holder = parts.holder ?? false;
    this.#events = events;
    if (this.hub !== undefined) loggedHere.set(this.bundle, this);
    if (this.#holder) {
      watchOom(this.cgroups, () => this.#tellOom(), this.#oom.signal);
    }
  }

  #emit(event: Omit<ContainerEvent, "cursor" | "time" | "id">): void {
    const full = { ...event, id: this.id };
    if (this.#events === undefined) emitEvent(this.#bundle.state, full);
    else addEvent(this.#events, full);
  }

  #tellOom(): void {
    if (!this.#oomTold) this.#emit({ type: "oom" });
    this.#oomTold = true;
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

  start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    const start = async () => {
      signal?.throwIfAborted();
      this.#requireThawed();
      const native = this.#record.native && this.pidfd !== undefined &&
        await startNatively(this.#record, this.pidfd);
      if (!native) await this.#runtime.start(this.id, options);
      this.#emit({ type: "start", pid: this.pid });
    };
    const started = this.#record.monitored && !this.#holder
      ? askMonitor(
        this.#bundle.state,
        { op: "start", id: this.id },
        {},
        signal,
      ).catch((cause) => {
        // The monitor lets go of what has ended.
        const isGone = cause instanceof Deno.errors.NotFound &&
          this.state() === "stopped";
        if (!isGone) throw cause;
        throw new RuntimeError(`start container "${this.id}"`, {
          code: "NotRunning",
          detail: "it has ended",
        }, { cause });
      })
      : start();
    this.#starting = started.catch(() => {});
    return started;
  }

  /** What is frozen does not answer who starts it. */
  #requireThawed(): void {
    if (this.state() !== "paused") return;
    throw new RuntimeError(`start container "${this.id}"`, {
      code: "Paused",
      detail: "it is paused",
    });
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

  override kill(signal = "SIGTERM"): void {
    super.kill(signal);
    if (signalNumber(signal) === SIGKILL) thawKilled(this.#record.cgroups);
  }

  killAll(signal = "SIGKILL"): void {
    signalCgroup(this.#record.cgroups, signalNumber(signal));
  }

  async pause(options?: { readonly signal?: AbortSignal }): Promise<void> {
    await freeze(this.#runtime, this.#record, this.#bundle, true, options);
    this.#emit({ type: "pause" });
  }

  async resume(options?: { readonly signal?: AbortSignal }): Promise<void> {
    await freeze(this.#runtime, this.#record, this.#bundle, false, options);
    this.#emit({ type: "resume" });
  }

  async update(
    resources: SpecResources,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void> {
    if (this.state() === "stopped") {
      throw new RuntimeError(`update container "${this.id}"`, {
        code: "NotRunning",
        detail: "it has ended",
      });
    }
    await updateResources(
      this.#runtime,
      { bundle: this.#bundle, record: this.#record },
      resources,
      options,
    );
    this.#emit({ type: "update" });
  }

  stats(): ContainerMetrics {
    if (this.hasEnded) return readMetrics(this.cgroups, this.pid);
    this.#reader ??= new CgroupReader();
    return measure(this.#reader, this.#record.cgroups, this.pid);
  }

  protected override async notedExit(): Promise<KnownExit | undefined> {
    const { conmon } = this.#record;
    return conmon && await conmonExit(this.#bundle, conmon);
  }

  /** Without a pid namespace of its own the others outlive the first process. */
  protected override async beforeStatus(): Promise<void> {
    if (this.#record.sharedPids) {
      const { cgroups } = this.#record;
      const left = new Set(cgroupPids(cgroups));
      signalCgroup(cgroups, SIGKILL);
      // The orphans among them are children of this program, its subreaper.
      await sweep((pid) => left.has(pid) || isInside(pid, cgroups));
    }
    await Promise.allSettled([...this.#execs].map(({ status }) => status));
    await this.#starting;
    this.#oom.abort();
    this.#closeReader();
  }

  /** What it has open keeps the network namespace of the container. */
  #closeReader(): void {
    this.#reader?.[Symbol.dispose]();
    this.#reader = undefined;
  }

  protected override onStatus(status: ContainerStatus): void {
    if (status.oomKilled) this.#tellOom();
    this.#emit({ type: "exit", pid: this.pid, status });
  }

  override keep(): void {
    super.keep();
    this.#oom.abort();
  }

  protected override kept(): KeptChild {
    const { startTime, cgroups } = this.#record;
    return { startTime, cgroups, isTold: () => isTold(this.#bundle) };
  }

  protected override release(): void {
    if (loggedHere.get(this.bundle) === this) loggedHere.delete(this.bundle);
    this.#closeReader();
    this.#oom.abort();
    this.#events?.[Symbol.dispose]();
  }

  protected override killQuietly(): void {
    super.killQuietly();
    if (!this.hasEnded) signalCgroup(this.#record.cgroups, SIGKILL);
  }

  protected override async remove(kept: boolean): Promise<void> {
    if (kept) return;
    await removeContainer(this.#runtime, this.#bundle, this.#record);
  }
}
