import { errno, type Fd } from "@containerkit/libc";
import { symbols } from "./_libc.ts";
import { NLMSG_DONE, NLMSG_ERROR, parseAck } from "./_netlink_ack.ts";
import { int32, openNetlink } from "./_netlink_open.ts";
import { pace, type Way } from "./_pace.ts";
import { publishTrace } from "./_trace.ts";
import { MessageWriter } from "./message_writer.ts";
import type { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import { type NetlinkMessage, parseMessages } from "./parse_messages.ts";

const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const EINTR = 4;
const EAGAIN = 11;

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;

/** Larger than any datagram the kernel makes: it fills at most 32 KiB. */
const BUFFER_SIZE = 65536;
/** What a socket may queue unasked is about 200 KiB; a message more than that needs asking. */
const DEFAULT_BUFFER = 100_000;
/** So many answers fit into the receive buffer at once; an echoed link has up to 4 KiB there. */
const PIPELINE = 32;

/** One message to send, and how to speak of it when it fails. */
export interface Wire {
  readonly operation: string;
  readonly type: number;
  readonly flags: number;
  readonly dump?: boolean;
  readonly way: Way;
  body(writer: MessageWriter): void;
}

/** What came back for one message. */
export interface Reply {
  readonly messages: NetlinkMessage[];
  /** Set when the kernel refused. */
  error?: NetlinkError;
  /** Whether the list changed while it was read. */
  interrupted: boolean;
  finished: boolean;
}

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
  readonly #writer = new MessageWriter();
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
    return this.#fd;
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
    if (this.#closing) {
      throw new Deno.errors.BadResource(
        "Cannot use the netlink socket: it is closed",
      );
    }
    const before = this.#pending++ > 0 ? this.#last : undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    try {
      if (before !== undefined) await before;
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
        const start = pace.now();
        this.#send(send, operation);
        if (way === "either") pace.sent(start);
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
        const start = pace.now();
        await this.#sendAsync(send, operation);
        if (way === "either") pace.sent(start);
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

  /**
   * Sends the messages and collects what the kernel answers to each. They are
   * carried out in order, each on its own: one that fails does not stop the next.
   */
  *exchange(wires: readonly Wire[]): Talk<Reply[]> {
    const replies: Reply[] = [];
    for (let at = 0; at < wires.length; at += PIPELINE) {
      replies.push(...yield* this.#pipeline(wires.slice(at, at + PIPELINE)));
    }
    return replies;
  }

  *#pipeline(wires: readonly Wire[]): Talk<Reply[]> {
    const start = performance.now();
    const writer = this.#writer;
    writer.clear();
    const bySequence = new Map<number, [Wire, Reply]>();
    const replies = wires.map((wire) => {
      const sequence = this.nextSequence();
      const flags = wire.flags | NLM_F_REQUEST |
        (wire.dump ? NLM_F_DUMP : NLM_F_ACK);
      writer.begin({ type: wire.type, flags, sequence });
      wire.body(writer);
      writer.end();
      const reply = { messages: [], interrupted: false, finished: false };
      bySequence.set(sequence, [wire, reply]);
      return reply;
    });
    const operation = wires[0]!.operation;
    const ways = new Set(wires.map(({ way }) => way));
    const way = ways.has("elsewhere")
      ? "elsewhere"
      : ways.has("either")
      ? "either"
      : "here";
    yield { send: writer.bytes, way, operation };
    let left = wires.length;
    // Answers wait to be received; of a list each recv(2) makes the next part, with the lock.
    const receiving = wires.some(({ dump }) => dump) ? way : "here";
    while (left > 0) {
      const bytes = yield { way: receiving, operation };
      for (const message of parseMessages(bytes)) {
        // Nothing else is expected; a stranger's answer is nobody's.
        const [wire, reply] = bySequence.get(message.sequence) ?? [];
        if (wire === undefined || reply === undefined) continue;
        if (collect(message, wire, reply, start)) left--;
      }
    }
    return replies;
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

/** Files one message under its request; tells whether it was the last one. */
function collect(
  message: NetlinkMessage,
  wire: Wire,
  reply: Reply,
  start: number,
): boolean {
  if (message.flags & NLM_F_DUMP_INTR) reply.interrupted = true;
  if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
    reply.messages.push(message);
    return false;
  }
  if (reply.finished) return false;
  reply.finished = true;
  const { operation } = wire;
  const { error, warning } = parseAck(message, operation);
  if (error !== undefined) reply.error = error;
  publishTrace(() => ({
    operation,
    details: warning === undefined ? {} : { warning },
    ms: performance.now() - start,
    ...(error && { error }),
  }));
  return true;
}
