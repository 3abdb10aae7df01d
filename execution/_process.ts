import {
  type Fd,
  pidfdOpen,
  pidfdSendSignal,
  SyscallError,
} from "@containerkit/libc";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import {
  claimJson,
  type ProcessFiles,
  type ProcessIdentity,
  type ProcessRecord,
  readExit,
} from "./_bundle.ts";
import type {
  ContainerOutput,
  ContainerProcess,
  ContainerStatus,
  OutputOptions,
} from "./container_process.ts";
import { isThere } from "./_is_there.ts";
import { type KnownExit, reap, waitExit } from "./_exit.ts";
import { ExitLostError } from "./exit_lost_error.ts";
import { type OomCounters, oomCounters, oomSince } from "./_oom.ts";
import { processStat } from "./_process_stat.ts";
import { readOutput } from "./_read_output.ts";
import { RuntimeError } from "./runtime_error.ts";
import { signalNumber } from "./_signals.ts";
import type { ConsoleSize } from "./spec.ts";
import type { OutputHub } from "./_output_hub.ts";
import { hold, type KeptChild, letGo } from "./_orphans.ts";
import type { Streams } from "./_stdio.ts";

/** How long the last of the output is waited for at disposal, in milliseconds. */
const DRAIN_MS = 1000;

/** What a process is made of. */
export interface ProcessParts {
  /** Id of the container. */
  readonly containerId: string;
  /** Its files. */
  readonly files: ProcessFiles;
  /** What is known of it. */
  readonly record: ProcessRecord;
  /** Holds it, so that its number cannot become another process; `undefined` when it has gone. */
  readonly pidfd: Fd | undefined;
  /** Our ends of what it reads and writes. */
  readonly streams: Streams;
  /** The container's cgroups. */
  readonly cgroups: CgroupPaths;
  /**
   * What the kernel had counted of them when it was made.
   *
   * @default {what it has counted by now}
   */
  readonly oom?: OomCounters | undefined;
  /** Whether it was kept by who made it: disposing only lets go. */
  readonly kept?: boolean;
}

/** Holds a process that was recorded earlier; `undefined` if it has gone. */
export function holdProcess(record: ProcessIdentity): Fd | undefined {
  let pidfd: Fd;
  try {
    pidfd = pidfdOpen(record.pid);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
  if (processStat(record.pid)?.startTime === record.startTime) return pidfd;
  pidfd.close();
  return undefined;
}

function piped<T>(name: string, end: T | undefined): T {
  if (end === undefined) {
    throw new TypeError(`Cannot get '${name}': '${name}' is not piped`);
  }
  return end;
}

/** Whether there was no room for a file, or for a row of a database in one. */
function isFull(error: unknown): boolean {
  return error instanceof Error &&
    /os error 28|database or disk is full/.test(error.message);
}

/** A process; what it is the first or a further one of, the subclass says. */
export abstract class Process implements ContainerProcess {
  readonly containerId: string;
  readonly pid: number;
  readonly status: Promise<ContainerStatus>;
  protected readonly files: ProcessFiles;
  protected readonly cgroupPaths: CgroupPaths;
  #pidfd: Fd | undefined;
  readonly #streams: Streams;
  #letGo = new AbortController();
  #ended = false;
  #kept = false;
  readonly #oomBefore: OomCounters;

  constructor(parts: ProcessParts) {
    const { containerId, files, record, pidfd, streams } = parts;
    this.containerId = containerId;
    this.pid = record.pid;
    this.files = files;
    this.cgroupPaths = parts.cgroups;
    this.#kept = parts.kept ?? false;
    this.#pidfd = pidfd;
    if (pidfd !== undefined) hold(record.pid, parts.cgroups);
    this.#streams = streams;
    this.#oomBefore = parts.oom ?? oomCounters(parts.cgroups);
    this.status = this.#watch(record);
    // Who does not ask must not be ended by the answer.
    this.status.catch(() => {});
  }

  /** Takes the output and logs it, if that is wanted. */
  get hub(): OutputHub | undefined {
    return this.#streams.hub;
  }

  /** What somebody else wrote down of the end, where the kernel does not tell any more. */
  protected notedExit(): Promise<KnownExit | undefined> {
    return Promise.resolve(undefined);
  }

  /** Runs once the process has ended, before that is told. */
  protected abstract beforeStatus(): Promise<void>;
  /** Runs in the one program that was the first to see how it ended. */
  protected abstract onStatus(status: ContainerStatus): void;
  /** What is known of it, if others may want to see how it ends after it was let go. */
  protected kept(): KeptChild | undefined {
    return undefined;
  }

  /** Runs last at disposal, however that goes on. */
  protected release(): void {}

  /** Runs at disposal, once the process has ended or was kept, and its streams are closed. */
  protected abstract remove(kept: boolean): Promise<void>;

  async #watch(record: ProcessRecord): Promise<ContainerStatus> {
    const known = readExit(this.files);
    if (known !== undefined) {
      // Not before the subclass is made.
      await Promise.resolve();
      this.#end();
      return known;
    }
    const pidfd = this.#pidfd;
    const { code, signal, exitedAt } = await this.#findExit(record);
    await this.beforeStatus();
    const status: ContainerStatus = {
      success: code === 0,
      code,
      signal,
      ...oomSince(this.#oomBefore, this.cgroupPaths),
      exitedAt,
    };
    let told = status;
    try {
      // First recorded, then reaped: whoever looks in between finds one of both.
      // One that is being deleted was told already: its record goes first, the exit that others left with its folder.
      const isFirst = claimJson(this.files.exit, status);
      if (isFirst === false) told = readExit(this.files) ?? status;
      if (isFirst && isThere(this.files.record)) this.onStatus(status);
    } catch (error) {
      // Where there is no room to tell others, the one who asks is told all the same.
      if (!isFull(error)) throw error;
    }
    if (pidfd !== undefined) reap(pidfd);
    this.#end();
    return told;
  }

  async #findExit(record: ProcessRecord): Promise<KnownExit> {
    try {
      this.#ended = this.#pidfd === undefined;
      if (this.#pidfd === undefined) throw new ExitLostError(record.pid);
      const { signal } = this.#letGo;
      const exit = await waitExit(this.#pidfd, record, { signal });
      return { ...exit, exitedAt: new Date().toISOString() };
    } catch (error) {
      if (!(error instanceof ExitLostError)) throw error;
      // Not before the subclass is made.
      await Promise.resolve();
      const noted = await this.notedExit();
      if (noted !== undefined) return noted;
      throw error;
    }
  }

  #end(): void {
    this.#ended = true;
    if (this.#pidfd === undefined) return;
    this.#pidfd.close();
    this.#pidfd = undefined;
    letGo(this.pid, this.kept());
  }

  get stdin(): WritableStream<Uint8Array<ArrayBufferLike>> {
    return piped("stdin", this.#streams.stdin).writable;
  }

  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return piped("stdout", this.#streams.stdout).readable;
  }

  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return piped("stderr", this.#streams.stderr).readable;
  }

  async output(options?: OutputOptions): Promise<ContainerOutput> {
    const { stdout: out, stderr: err } = this.#streams;
    if (out === undefined && err === undefined) {
      throw new TypeError(
        "Cannot read the output: neither stdout nor stderr is piped",
      );
    }
    return await readOutput(this.containerId, {
      stdout: out?.readable,
      stderr: err?.readable,
      status: this.status,
    }, options);
  }

  kill(signal = "SIGTERM"): void {
    const number = signalNumber(signal);
    try {
      if (this.#pidfd !== undefined) {
        pidfdSendSignal(this.#pidfd, number);
        return;
      }
    } catch (cause) {
      if (!(cause instanceof SyscallError && cause.code === "ESRCH")) {
        throw cause;
      }
    }
    throw new RuntimeError(`signal a process of "${this.containerId}"`, {
      code: "NotRunning",
      detail: "it has ended",
    });
  }

  /** Like {@linkcode kill} with `SIGKILL`; one that has ended is fine. */
  protected killQuietly(): void {
    try {
      this.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }

  /** Holds the process, until it has ended. */
  protected get pidfd(): Fd | undefined {
    return this.#pidfd;
  }

  protected get hasEnded(): boolean {
    return this.#ended;
  }

  resize(size: ConsoleSize): void {
    if (this.#streams.resize === undefined) {
      throw new TypeError("Cannot resize: the process has no terminal");
    }
    this.#streams.resize(size);
  }

  keep(): void {
    this.#kept = true;
    this.#letGo.abort(
      new Deno.errors.Interrupted(
        `Cannot wait for process ${this.pid}: keep() let go of it`,
      ),
    );
    this.#streams.close();
  }

  /** Waits until it has ended, or was let go, and what it wrote is logged. */
  async drained(): Promise<void> {
    await this.status.catch(() => {});
    // Who gets the output may be stopped: that keeps nobody from deleting it, and nothing out of the log.
    this.hub?.hurry();
    await this.hub?.drained();
  }

  /** The same for who cannot wait for ever: a process may have passed its output on to one outside. */
  async #drainedSoon(): Promise<void> {
    if (this.hub === undefined) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, DRAIN_MS);
    await Promise.race([this.drained(), late]);
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const kept = this.#kept;
    if (kept) this.keep();
    else this.killQuietly();
    this.#kept = true;
    await this.status.catch(() => {});
    await this.#drainedSoon();
    this.#end();
    try {
      this.#streams.close();
      await this.remove(kept);
    } finally {
      this.release();
    }
  }
}
