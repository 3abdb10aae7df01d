import { errno, type Fd } from "@containerkit/libc";
import { symbols } from "./_libc.ts";
import { int32, openNetlink } from "./_netlink_open.ts";
import { pace, type Way } from "./_pace.ts";
import { unlessAborted } from "./_turns.ts";
import type { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";

const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const EINTR = 4;
const EAGAIN = 11;

/** Larger than any datagram the kernel makes: it fills at most 32 KiB. */
const BUFFER_SIZE = 65536;
/** What a socket may queue unasked is about 200 KiB; a message more than that needs asking. */
const DEFAULT_BUFFER = 100_000;

/** What a conversation asks its driver to do: send bytes, or receive one datagram. */
type Step = {
  readonly send?: Uint8Array<ArrayBuffer>;
  readonly way: Way;
  readonly operation: string;
};

/** A conversation with the kernel, driven either at once or on a thread of the pool. */
export type Talk<T> = Generator<Step, T, Uint8Array<ArrayBuffer>>;

/** Options of {@linkcode Channel}. */
interface ChannelOptions {
  readonly netns?: NetNs | undefined;
  /** Multicast groups to join, as numbers. */
  readonly groups?: readonly number[];
}

/** For what is received on this thread: it is copied from at once. */
let scratch: Uint8Array<ArrayBuffer> | undefined;

/**
 * A netlink socket and one conversation after another on it.
 *
 * The kernel runs a request inside send(2) and has queued every answer when
 * that returns; only a dump goes on in recv(2).
 */
export class Channel implements Disposable {
  readonly #fd: Fd;
  /** For what another thread receives. */
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #sequence = 0;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #closing = false;

  constructor(protocol: number, options: ChannelOptions = {}) {
    const make = () => openNetlink(protocol, options.groups ?? []);
    this.#fd = options.netns === undefined ? make() : options.netns.run(make);
  }

  /** The descriptor, to wait for. */
  get descriptor(): Fd {
    this.#requireOpen();
    return this.#fd;
  }

  #requireOpen(): void {
    if (!this.#closing) return;
    throw new Deno.errors.BadResource(
      "Cannot use the netlink socket: it is closed",
    );
  }

  /** Lets the socket hold more than the system's default, as far as the kernel lets us. */
  setReceiveBuffer(bytes: number): void {
    symbols().setsockopt(
      this.#fd.number,
      SOL_SOCKET,
      SO_RCVBUFFORCE,
      int32(bytes),
      4,
    );
  }

  /** Closes it once no conversation is under way: a thread may be inside the kernel with its number. */
  close(): void {
    this.#closing = true;
    if (this.#pending === 0) this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The next sequence number. */
  nextSequence(): number {
    this.#sequence = this.#sequence + 1 >>> 0;
    return this.#sequence;
  }

  /** Holds a conversation on this thread. */
  runSync<T>(talk: Talk<T>): T {
    this.#requireOpen();
    if (this.#pending > 0) {
      throw new Deno.errors.Busy(
        "Cannot use the netlink socket: an asynchronous request is under way on it",
      );
    }
    let step = talk.next();
    while (!step.done) step = this.#stepHere(talk, step.value);
    return step.value;
  }

  /** Holds a conversation after those before it, without keeping the thread from others for long. */
  async run<T>(talk: () => Talk<T>, signal?: AbortSignal): Promise<T> {
    this.#requireOpen();
    const before = this.#pending++ > 0 ? this.#last : undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    // Who gives up does not let those behind pass those before.
    this.#last = before === undefined ? promise : before.then(() => promise);
    try {
      if (before !== undefined) await unlessAborted(before, signal);
      signal?.throwIfAborted();
      return await this.#drive(talk());
    } finally {
      this.#pending--;
      resolve();
      if (this.#closing && this.#pending === 0) this.#fd.close();
    }
  }

  async #drive<T>(talk: Talk<T>): Promise<T> {
    let step = talk.next();
    while (!step.done) {
      const { way, send } = step.value;
      if (pace.isHere(way, send?.length ?? 0)) {
        const rest = pace.rest();
        if (rest !== undefined) await rest;
        step = this.#stepHere(talk, step.value);
      } else step = await this.#stepElsewhere(talk, step.value);
    }
    return step.value;
  }

  #stepHere<T>(talk: Talk<T>, step: Step): IteratorResult<Step, T> {
    const { send, operation, way } = step;
    let result: Uint8Array<ArrayBuffer>;
    try {
      if (send === undefined) result = this.#receive(operation);
      else {
        const act = () => this.#send(send, operation);
        if (way === "either") pace.measure(act);
        else act();
        result = send;
      }
    } catch (error) {
      return talk.throw(error);
    }
    return talk.next(result);
  }

  async #stepElsewhere<T>(
    talk: Talk<T>,
    step: Step,
  ): Promise<IteratorResult<Step, T>> {
    const { send, operation, way } = step;
    let result: Uint8Array<ArrayBuffer>;
    try {
      if (send === undefined) result = await this.#receiveAsync(operation);
      else {
        const act = () => this.#sendAsync(send, operation);
        if (way === "either") await pace.watch(send.length, act);
        else await act();
        result = send;
      }
    } catch (error) {
      return talk.throw(error);
    } finally {
      pace.turned();
    }
    return talk.next(result);
  }

  #reserve(size: number): void {
    if (size <= DEFAULT_BUFFER) return;
    symbols().setsockopt(
      this.#fd.number,
      SOL_SOCKET,
      SO_SNDBUFFORCE,
      int32(size * 2),
      4,
    );
  }

  #send(bytes: Uint8Array<ArrayBuffer>, operation: string): void {
    this.#reserve(bytes.length);
    const { send } = symbols();
    for (;;) {
      if (send(this.#fd.number, bytes, BigInt(bytes.length), 0) >= 0) return;
      const code = errno();
      if (code !== EINTR) throw new NetlinkError(operation, { errno: code });
    }
  }

  async #sendAsync(
    bytes: Uint8Array<ArrayBuffer>,
    operation: string,
  ): Promise<void> {
    this.#reserve(bytes.length);
    const { sendAsync } = symbols();
    const length = BigInt(bytes.length);
    // The errno stayed on the other thread. A send that failed did nothing, so
    // asking again here either does it or tells why not.
    if (await sendAsync(this.#fd.number, bytes, length, 0) < 0) {
      this.#send(bytes, operation);
    }
  }

  #receive(operation: string): Uint8Array<ArrayBuffer> {
    const { recv } = symbols();
    scratch ??= new Uint8Array(BUFFER_SIZE);
    const size = BigInt(BUFFER_SIZE);
    for (;;) {
      const flags = MSG_DONTWAIT | MSG_TRUNC;
      const count = Number(recv(this.#fd.number, scratch, size, flags));
      if (count >= 0) return datagram(scratch, count);
      const code = errno();
      if (code !== EINTR) throw new NetlinkError(operation, { errno: code });
    }
  }

  async #receiveAsync(operation: string): Promise<Uint8Array<ArrayBuffer>> {
    const buffer = this.#buffer ??= new Uint8Array(BUFFER_SIZE);
    const count = Number(
      await symbols().recvAsync(
        this.#fd.number,
        buffer,
        BigInt(BUFFER_SIZE),
        MSG_DONTWAIT | MSG_TRUNC,
      ),
    );
    return count < 0 ? this.#receive(operation) : datagram(buffer, count);
  }

  /** Whether a datagram waits; takes it without waiting. For monitors. */
  poll(): Uint8Array<ArrayBuffer> | undefined {
    try {
      return this.#receive("read notifications");
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === EAGAIN) return;
      throw error;
    }
  }
}

/** A copy: the buffer is used again. */
function datagram(
  buffer: Uint8Array<ArrayBuffer>,
  count: number,
): Uint8Array<ArrayBuffer> {
  if (count > BUFFER_SIZE) {
    throw new RangeError(
      `Cannot receive a netlink message of ${count} bytes: the buffer has ${BUFFER_SIZE}`,
    );
  }
  return buffer.slice(0, count);
}
