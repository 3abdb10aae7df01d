import { type Fd, waitReadable } from "@containerkit/libc";
import type { Channel } from "./_channel.ts";
import { NetlinkError } from "./netlink_error.ts";

/** What a socket is told unasked, until it is closed or a signal ends it. */
export class Monitor implements Disposable {
  readonly #channel: Channel;
  readonly #signal: AbortSignal | undefined;
  readonly #end = new AbortController();

  constructor(channel: Channel, signal: AbortSignal | undefined) {
    this.#channel = channel;
    this.#signal = signal;
  }

  /** Gives what comes, and `undefined` where something was lost. */
  async *datagrams(): AsyncGenerator<Uint8Array<ArrayBuffer> | undefined> {
    const signals = [this.#end.signal, this.#signal];
    const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
    while (!this.#end.signal.aborted) {
      this.#signal?.throwIfAborted();
      const next = this.#read();
      if (next !== "nothing") yield next;
      else if (!await wait(this.#channel.descriptor, signal)) {
        // Aborted from outside is an error, closed is the end.
        this.#signal?.throwIfAborted();
      }
    }
  }

  #read(): Uint8Array<ArrayBuffer> | undefined | "nothing" {
    try {
      return this.#channel.poll() ?? "nothing";
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ENOBUFS") {
        return undefined;
      }
      throw error;
    }
  }

  close(): void {
    this.#end.abort();
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Whether there is something to read, or the waiting ended. */
async function wait(fd: Fd, signal: AbortSignal): Promise<boolean> {
  try {
    await waitReadable(fd, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
