/**
 * Being a monitor.
 *
 * @module
 */

import { type FileLock, lockFile } from "@containerkit/state";
import { adoptContainer } from "./_adopt_container.ts";
import { bundleOf, containersPath } from "./_bundle.ts";
import type { ContainerImpl } from "./_container.ts";
import { createContainer } from "./_create_container.ts";
import { Frame, FrameChannel } from "./_frames.ts";
import { monitorPaths } from "./_monitor_paths.ts";
import {
  type AttachRequest,
  type CreateRequest,
  errorAnswer,
  type MonitorRequest,
  type ResizeRequest,
} from "./_monitor_protocol.ts";

/** Options of {@linkcode runMonitor}. */
export interface RunMonitorOptions {
  /** Folder for what belongs to this boot. */
  readonly state: string;
  /**
   * Milliseconds after which a monitor without containers ends.
   *
   * @default {1000}
   */
  readonly idle?: number;
  /** Ends it; its containers go on, those with a terminal get `SIGHUP`. */
  readonly signal?: AbortSignal;
}

const decoder = new TextDecoder();

/** A container that the monitor holds. */
interface Held {
  readonly container: ContainerImpl;
  /** Settles when it has ended and all of its output is logged. */
  readonly drained: Promise<void>;
}

class Monitor {
  readonly #state: string;
  readonly #held = new Map<string, Held>();
  #writers = new Map<string, WritableStreamDefaultWriter<Uint8Array>>();
  /** Connections that are open, and containers that are held. */
  #busy = 0;
  #onIdle: () => void;

  constructor(state: string, onIdle: () => void) {
    this.#state = state;
    this.#onIdle = onIdle;
  }

  get isIdle(): boolean {
    return this.#busy === 0;
  }

  #enter(): void {
    this.#busy++;
  }

  #leave(): void {
    this.#busy--;
    if (this.isIdle) this.#onIdle();
  }

  /** Takes a container over until it has ended. */
  #hold(container: ContainerImpl): void {
    this.#enter();
    const drained = (async () => {
      await container.status.catch(() => {});
      // Who has joined the streams may be stopped, and does not keep it from being deleted.
      container.hub?.hurry();
      await container.hub?.drained();
      this.#held.delete(container.id);
      this.#writers.delete(container.id);
      container.keep();
      await container[Symbol.asyncDispose]();
    })().catch((error) => console.error(error)).finally(() => this.#leave());
    this.#held.set(container.id, { container, drained });
  }

  /** Takes over what a monitor that was killed has left. */
  adopt(): void {
    for (const { name: id } of Deno.readDirSync(containersPath(this.#state))) {
      try {
        const container = adoptContainer(bundleOf(this.#state, id));
        if (container !== undefined) this.#hold(container);
      } catch (error) {
        // The others have no part in it.
        console.error(error);
      }
    }
  }

  async serve(connection: Deno.Conn): Promise<void> {
    this.#enter();
    using channel = new FrameChannel(connection);
    try {
      await channel.writeMessage({ ok: true });
      const request = await channel.readMessage<MonitorRequest>();
      if (request !== undefined) await this.#answer(channel, request);
    } catch (error) {
      await channel.writeMessage(errorAnswer(error)).catch(() => {});
    } finally {
      this.#leave();
    }
  }

  async #answer(channel: FrameChannel, request: MonitorRequest): Promise<void> {
    switch (request.op) {
      case "create":
        await this.#create(channel, request);
        break;
      case "start":
        await this.#find(request.id).container.start();
        await channel.writeMessage({ ok: true });
        break;
      case "attach":
        await this.#attach(channel, request);
        break;
      case "drained":
        await this.#held.get(request.id)?.drained;
        await channel.writeMessage({ ok: true });
        break;
    }
  }

  async #create(
    channel: FrameChannel,
    { id, spec, stdin, ...options }: CreateRequest,
  ): Promise<void> {
    const stop = new AbortController();
    // Whoever asked does not want it any more, or has gone.
    channel.read().catch(() => {}).then(() => stop.abort());
    const container = await createContainer(id, spec, {
      ...options,
      signal: stop.signal,
      state: this.#state,
      stdin: stdin ? "piped" : "null",
      stdout: "null",
      stderr: "null",
      monitored: true,
    });
    try {
      stop.signal.throwIfAborted();
      await channel.writeMessage({ ok: true });
    } catch {
      // Nobody knows of it.
      await container[Symbol.asyncDispose]();
      return;
    }
    if (stdin || spec.process?.terminal) {
      this.#writers.set(id, container.stdin.getWriter());
    }
    this.#hold(container);
  }

  #find(id: string): Held {
    const held = this.#held.get(id);
    if (held === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot find container "${id}": the monitor does not hold it`,
      );
    }
    return held;
  }

  async #attach(channel: FrameChannel, request: AttachRequest): Promise<void> {
    const held = this.#find(request.id);
    const { hub } = held.container;
    if (hub === undefined) {
      throw new TypeError(
        `Cannot attach to container "${request.id}": its terminal went with the monitor that held it`,
      );
    }
    await channel.writeMessage({ ok: true });
    const open = new Set<string>(request.outputs);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const leave = hub.subscribe({
      write: (stream, chunk) =>
        open.has(stream)
          ? channel.write(
            stream === "stdout" ? Frame.STDOUT : Frame.STDERR,
            chunk,
          )
          : undefined,
      end(stream) {
        let told: Promise<void> | undefined;
        if (open.delete(stream)) {
          const kind = stream === "stdout"
            ? Frame.STDOUT_END
            : Frame.STDERR_END;
          told = channel.write(kind).catch(() => {});
        }
        // After what came before it.
        if (open.size === 0) end(told);
      },
    });
    if (open.size > 0) await Promise.race([ended, this.#input(channel, held)]);
    else await this.#input(channel, held);
    leave();
  }

  /** Hands on what the other side sends, until it goes. */
  async #input(channel: FrameChannel, { container }: Held): Promise<void> {
    const writer = this.#writers.get(container.id);
    for (;;) {
      const frame = await channel.read();
      if (frame === undefined) return;
      if (frame.kind === Frame.STDIN) {
        // A process that reads no more must not end the attachment.
        await writer?.write(frame.payload).catch(() => {});
      } else if (frame.kind === Frame.STDIN_END) {
        await writer?.close().catch(() => {});
      } else if (frame.kind === Frame.MESSAGE) {
        const { size }: ResizeRequest = JSON.parse(
          decoder.decode(frame.payload),
        );
        container.resize(size);
      }
    }
  }

  /** Lets every container go. */
  async close(): Promise<void> {
    const held = [...this.#held.values()];
    for (const { container } of held) container.keep();
    await Promise.allSettled(held.map(({ drained }) => drained));
  }
}

/** What goes wrong with one container must not end the others. */
function survive(event: PromiseRejectionEvent): void {
  event.preventDefault();
  console.error(new Date().toISOString(), event.reason);
}

/** One that is being killed holds the lock a little longer than it answers. */
const LOCK_MS = 2000;

async function takeLock(path: string): Promise<FileLock | undefined> {
  try {
    return await lockFile(path, { signal: AbortSignal.timeout(LOCK_MS) });
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      return undefined;
    }
    throw error;
  }
}

/**
 * Is the monitor of a folder: holds terminals, logs output, keeps exit codes,
 * for any number of containers, until there are none. One folder has at most
 * one; a second one ends at once.
 *
 * A monitor that was killed is followed by another when somebody needs it,
 * which takes its containers over.
 *
 * It takes the whole process: what no code of the program handles is written to the standard
 * error, which is `monitor.log` of the folder, and ends nothing.
 *
 * @param options The folder.
 *
 * @example A compiled program that is its own monitor
 * ```ts ignore
 * import { runMonitor } from "@containerkit/execution";
 *
 * if (Deno.args[0] === "monitor") await runMonitor({ state: Deno.args[1]! });
 * ```
 */
export async function runMonitor(options: RunMonitorOptions): Promise<void> {
  const { state, idle = 1000, signal } = options;
  await Deno.mkdir(containersPath(state), { recursive: true, mode: 0o700 });
  using paths = monitorPaths(state);
  using lock = await takeLock(paths.lock);
  if (lock === undefined) return;
  await Deno.remove(paths.socket).catch(() => {});
  using listener = Deno.listen({ transport: "unix", path: paths.socket });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    clearTimeout(timer);
    // No new ones: who comes now starts the next monitor.
    Deno.removeSync(paths.socket);
    listener.close();
  };
  const rest = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (monitor.isIdle) stop();
    }, idle);
  };
  const monitor = new Monitor(state, rest);
  signal?.addEventListener("abort", stop, { once: true });
  addEventListener("unhandledrejection", survive);
  const served = new Set<Promise<void>>();
  try {
    monitor.adopt();
    if (monitor.isIdle) rest();
    for await (const connection of listener) {
      const serving = monitor.serve(connection);
      served.add(serving);
      serving.finally(() => served.delete(serving));
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    removeEventListener("unhandledrejection", survive);
    await monitor.close();
    await Promise.allSettled(served);
  }
}
