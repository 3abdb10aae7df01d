/**
 * A process in a container.
 *
 * @module
 */

import type { ConsoleSize } from "./spec.ts";

/** How a process of a container ended. */
export interface ContainerStatus {
  /** Whether the code is 0. */
  readonly success: boolean;
  /** Exit code, 128 and the signal's number if one ended it. */
  readonly code: number;
  /** The signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** Whether the kernel killed something of the container for lack of memory. */
  readonly oomKilled: boolean;
  /**
   * Folder of the cgroup whose limit was hit then: the container's own, or one
   * above it. Missing if it was none's: the machine itself had no more memory.
   */
  readonly oomCgroup?: string;
  /** When, as RFC 3339 in UTC. */
  readonly exitedAt: string;
}

/** How a process ended and what it wrote. */
export interface ContainerOutput extends ContainerStatus {
  /** What it wrote to its standard output. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** What it wrote to its standard error. */
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** Options of {@linkcode ContainerProcess.output}. */
export interface OutputOptions {
  /**
   * How much is kept of each stream, in bytes. Who expects more reads the streams.
   *
   * @default {67_108_864}
   */
  readonly limit?: number;
  /** Stops reading and waiting, such as `AbortSignal.timeout(10_000)`. The process goes on, until it is disposed of. */
  readonly signal?: AbortSignal;
}

/**
 * A process in a container, shaped like `Deno.ChildProcess`.
 *
 * Disposing it kills it, waits for its end and removes what was made for it.
 * After {@linkcode keep} disposing only lets go.
 */
export interface ContainerProcess extends AsyncDisposable {
  /** Id of the container. */
  readonly containerId: string;
  /** Id of the process on the host. */
  readonly pid: number;
  /**
   * Its standard input; closing it ends the input, which in a terminal is Ctrl-D. Writing fails with a
   * `Deno.errors.BrokenPipe` once nobody reads it any more.
   *
   * @throws {TypeError} If it is not `"piped"`.
   */
  readonly stdin: WritableStream<Uint8Array<ArrayBufferLike>>;
  /**
   * Its standard output; with a terminal its standard error too.
   *
   * @throws {TypeError} If it is not `"piped"`.
   */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Its standard error.
   *
   * @throws {TypeError} If it is not `"piped"`, or there is a terminal.
   */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * How it ended. Rejects with {@linkcode ExitLostError} if nobody can know,
   * and with `Deno.errors.Interrupted` after {@linkcode keep}.
   */
  readonly status: Promise<ContainerStatus>;
  /**
   * Reads its output until the end and waits for its exit. If that fails, the streams are closed.
   *
   * @returns How it ended and what it wrote.
   * @throws {TypeError} If neither output is `"piped"`.
   * @throws {RangeError} If it writes more than the limit.
   */
  output(options?: OutputOptions): Promise<ContainerOutput>;
  /**
   * Sends it a signal, by its descriptor: never to another process.
   *
   * @param signal Name with or without `SIG`, or number; `SIGTERM` by default.
   * @throws {RuntimeError} If it has ended (`NotRunning`).
   * @throws {TypeError} If there is no such signal.
   */
  kill(signal?: string): void;
  /**
   * Sets the size of its terminal, which tells it by `SIGWINCH`.
   *
   * @param size In characters.
   * @throws {TypeError} If it has none.
   */
  resize(size: ConsoleSize): void;
  /** Lets go at disposal: the process goes on without this program. Open streams are closed, and nobody waits here for its end any more. */
  keep(): void;
}
