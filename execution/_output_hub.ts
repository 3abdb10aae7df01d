import { type Fd, pipe, read, tee, waitReadable } from "@containerkit/libc";
import type { LogStream } from "./_log_formats.ts";
import { LogWriter, type LogWriterOptions } from "./_log_writer.ts";
import type { ContainerLog } from "./log_options.ts";
import { Turn } from "./_turn.ts";

/** What a pipe holds by default, so that one look sees all of it. */
const CHUNK = 65536;

/** Somebody who gets the output from now on. */
export interface Subscriber {
  /** Takes a chunk; the container waits while it cannot. */
  write(
    stream: LogStream,
    chunk: Uint8Array<ArrayBuffer>,
  ): void | Promise<void>;
  /** There will be no more of this stream. */
  end(stream: LogStream): void;
}

/** Options of {@linkcode OutputHub}. */
export interface OutputHubOptions extends LogWriterOptions {
  /** Is told how many bytes a gap of the log has; if that fails, it is told with the next. */
  onLost?: ((bytes: number) => void) | undefined;
}

/**
 * Takes what a container writes, logs it and gives it to whoever is there.
 *
 * From a FIFO a chunk is taken only after it is in the log: if this program is
 * killed in between, the next one finds it again. What cannot be written, on a
 * full disk, is left out of the log: the container does not wait for it. How
 * much that was is told when something could be written again, and at the end.
 */
export class OutputHub implements Disposable {
  readonly #log: LogWriter | undefined;
  readonly #onLost: (bytes: number) => void;
  /** How many bytes that are not in the log were told. */
  #told = 0;
  readonly #subscribers = new Set<Subscriber>();
  readonly #stopped = new AbortController();
  readonly #pumps: Promise<void>[] = [];
  readonly #open = new Set<LogStream>();
  /** End the waiting for subscribers. */
  readonly #waits = new Set<() => void>();
  #hurried = false;

  constructor(
    log: ContainerLog | undefined,
    { onLost = () => {}, ...options }: OutputHubOptions = {},
  ) {
    this.#log = log === undefined ? undefined : new LogWriter(log, options);
    this.#onLost = onLost;
  }

  /** Takes from a FIFO, open for reading without waiting. */
  pumpFifo(stream: LogStream, fifo: Fd): void {
    this.#open.add(stream);
    this.#run(this.#pumpFifo(stream, fifo));
  }

  /** Takes from a stream. */
  pumpStream(
    stream: LogStream,
    source: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): void {
    this.#open.add(stream);
    this.#run(this.#pumpStream(stream, source));
  }

  #run(pump: Promise<void>): void {
    this.#pumps.push(pump);
    // A stream that cannot be read has ended.
    pump.catch(() => {});
  }

  /** Settles when every stream has ended and is logged. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#pumps);
  }

  /** Adds one; what has ended already is told at once. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    for (const stream of ["stdout", "stderr"] as const) {
      if (!this.#open.has(stream)) subscriber.end(stream);
    }
    return () => this.#subscribers.delete(subscriber);
  }

  /**
   * Waits no more for those who get the output: they have it when they can.
   * For a container that has ended, of which only what its pipes hold is left.
   */
  hurry(): void {
    this.#hurried = true;
    for (const end of this.#waits) end();
  }

  async #wait(given: Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    given.then(resolve, reject);
    if (this.#hurried) resolve();
    this.#waits.add(resolve);
    try {
      await promise;
    } finally {
      this.#waits.delete(resolve);
    }
  }

  async #give(
    stream: LogStream,
    chunk: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    for (const subscriber of [...this.#subscribers]) {
      try {
        const given = subscriber.write(stream, chunk);
        if (given !== undefined) await this.#wait(given);
      } catch {
        this.#subscribers.delete(subscriber);
      }
    }
  }

  #record(write: (log: LogWriter) => void): void {
    try {
      if (this.#log === undefined) return;
      write(this.#log);
      this.#tellLost();
    } catch {
      // Left out; the next may fit again.
    }
  }

  #tellLost(): void {
    const lost = this.#log?.lost ?? 0;
    if (lost === this.#told) return;
    try {
      this.#onLost(lost - this.#told);
      this.#told = lost;
    } catch {
      // There is no room for that either.
    }
  }

  #end(stream: LogStream): void {
    this.#record((log) => log.end(stream));
    this.#open.delete(stream);
    if (this.#open.size === 0) this.#tellLost();
    for (const subscriber of this.#subscribers) subscriber.end(stream);
  }

  async #pumpFifo(stream: LogStream, fifo: Fd): Promise<void> {
    const { signal } = this.#stopped;
    using _fifo = fifo;
    const [copy, intoCopy] = pipe({ nonblocking: true });
    using _copy = copy;
    using _intoCopy = intoCopy;
    try {
      for (const turn = new Turn();;) {
        // Looked at before it is waited for: where the last writer went before the FIFO was opened, nothing wakes who waits.
        const seen = tee(fifo, intoCopy, CHUNK);
        if (seen === 0) break;
        if (seen === undefined) {
          await waitReadable(fifo, { signal });
          turn.begin();
          continue;
        }
        // It may always have more.
        if (turn.isOver) await turn.pass(signal);
        const chunk = new Uint8Array(seen);
        read(copy, chunk);
        this.#record((log) => log.write(stream, chunk));
        read(fifo, new Uint8Array(seen));
        await this.#give(stream, chunk);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#end(stream);
    }
  }

  async #pumpStream(
    stream: LogStream,
    source: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    try {
      for await (const chunk of source) {
        this.#record((log) => log.write(stream, chunk));
        await this.#give(stream, chunk);
      }
    } finally {
      this.#end(stream);
    }
  }

  /** Stops; what is still in a FIFO stays there. */
  [Symbol.dispose](): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#tellLost();
    Promise.allSettled(this.#pumps).then(() => this.#log?.[Symbol.dispose]());
  }
}
