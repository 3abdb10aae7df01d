import { adoptContainer } from "./_adopt_container.ts";
import { bundleOf, containersPath } from "./_bundle.ts";
import type { ContainerImpl } from "./_container.ts";
import { createContainer } from "./_create_container.ts";
import { Frame, FrameChannel } from "./_frames.ts";
import {
  type AttachRequest,
  type CreateRequest,
  errorAnswer,
  type MonitorRequest,
  type ResizeRequest,
} from "./_monitor_protocol.ts";

const decoder = new TextDecoder();

/** A container that the monitor holds. */
interface Held {
  readonly container: ContainerImpl;
  /** Settles when it has ended and all of its output is logged. */
  readonly drained: Promise<void>;
}

/** Aborted when whoever asked does not want it any more, or has gone. */
function takenBack(channel: FrameChannel): AbortSignal {
  const stop = new AbortController();
  channel.read().catch(() => {}).then(() => stop.abort());
  return stop.signal;
}

/** The containers of a monitor, and what it answers to those who ask. */
export class Monitor {
  readonly #state: string;
  readonly #held = new Map<string, Held>();
  #writers = new Map<string, WritableStreamDefaultWriter<Uint8Array>>();
  /** Connections of which nothing is being made. */
  readonly #idle = new Set<FrameChannel>();
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
      await container.drained();
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
    this.#idle.add(channel);
    try {
      await channel.writeMessage({ ok: true });
      const request = await channel.readMessage<MonitorRequest>();
      if (request !== undefined) await this.#answer(channel, request);
    } catch (error) {
      await channel.writeMessage(errorAnswer(error)).catch(() => {});
    } finally {
      this.#idle.delete(channel);
      this.#leave();
    }
  }

  async #answer(channel: FrameChannel, request: MonitorRequest): Promise<void> {
    if (request.op !== "attach") this.#idle.delete(channel);
    switch (request.op) {
      case "create":
        await this.#create(channel, request);
        break;
      case "start":
        await this.#find(request.id).container.start({
          signal: takenBack(channel),
        });
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
    const signal = takenBack(channel);
    const container = await createContainer(id, spec, {
      ...options,
      signal,
      state: this.#state,
      stdin: stdin ? "piped" : "null",
      stdout: "null",
      stderr: "null",
      monitored: true,
    });
    try {
      signal.throwIfAborted();
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
    if (open.size === 0) end();
    // Who has closed its outputs may read on.
    const over = Promise.all([ended, held.drained]);
    await Promise.race([over, this.#input(channel, held)]);
    leave();
  }

  /** Hands on what the other side sends, until it goes. */
  async #input(channel: FrameChannel, { container }: Held): Promise<void> {
    const writer = this.#writers.get(container.id);
    for (;;) {
      const frame = await channel.read();
      if (frame === undefined) return;
      if (frame.kind === Frame.STDIN) {
        const isRead = await writer?.write(frame.payload)
          .then(() => true, () => false);
        // That ends the input, and not the attachment.
        if (!isRead) channel.write(Frame.STDIN_END).catch(() => {});
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

  /** Closes the connections of those who do not ask, or do not read what is theirs. */
  hangUp(): void {
    for (const channel of this.#idle) channel[Symbol.dispose]();
  }
}
