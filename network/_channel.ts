import { errno, Fd, SyscallError } from "@containerkit/libc";
import { symbols } from "./_libc.ts";
import { publishTrace } from "./_trace.ts";
import { MessageWriter } from "./message_writer.ts";
import type { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import { parseAttributes } from "./parse_attributes.ts";
import { type NetlinkMessage, parseMessages } from "./parse_messages.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
/** Errors that quote only the header, say what is wrong, and come for unknown fields too. */
const SWITCHES = { CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 };
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const ENOPROTOOPT = 92;
const EINTR = 4;
const EAGAIN = 11;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

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
  readonly quick?: boolean;
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

/**
 * What a conversation asks its driver to do: send bytes, or receive one
 * datagram; `slow` when the kernel may take its time inside that call.
 */
type Step =
  | {
    readonly send: Uint8Array<ArrayBuffer>;
    readonly slow: boolean;
    readonly operation: string;
  }
  | { readonly slow: boolean; readonly operation: string };

/** A conversation with the kernel, driven either at once or on a thread of the pool. */
export type Talk<T> = Generator<Step, T, Uint8Array<ArrayBuffer>>;

/** Options of {@linkcode Channel}. */
interface ChannelOptions {
  readonly netns?: NetNs | undefined;
  /** Multicast groups to join, as numbers. */
  readonly groups?: readonly number[];
}

function int32(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function fail(action: string, syscall: string, code: number): never {
  throw new SyscallError(action, { syscall, errno: code });
}

/** Opens and binds; the namespace of the calling thread is the socket's for life. */
function open(protocol: number, groups: readonly number[]): Fd {
  const libc = symbols();
  const number = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  if (number < 0) fail("open a netlink socket", "socket", errno());
  const fd = new Fd(number);
  try {
    for (const option of Object.values(SWITCHES)) {
      if (libc.setsockopt(number, SOL_NETLINK, option, int32(1), 4) === 0) {
        continue;
      }
      const code = errno();
      if (code !== ENOPROTOOPT) fail("set up netlink", "setsockopt", code);
    }
    const mask = groups.reduce((sum, group) => sum | 1 << (group - 1), 0);
    // struct sockaddr_nl { u16 family, u16, u32 port, u32 groups }; the kernel chooses the port.
    const address = int32(AF_NETLINK, 0, mask);
    if (libc.bind(number, address, 12) < 0) {
      fail("bind a netlink socket", "bind", errno());
    }
    // Connected to the kernel, nobody else can send to it.
    if (libc.connect(number, int32(AF_NETLINK, 0, 0), 12) < 0) {
      fail("connect to the kernel", "connect", errno());
    }
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Reads an NLMSG_ERROR, or an NLMSG_DONE that carries an error. */
export function parseAck(
  message: NetlinkMessage,
  operation: string,
): { error?: NetlinkError; warning?: string } {
  const { payload, flags, type } = message;
  if (payload.length < 4) {
    if (type === NLMSG_DONE) return {};
    throw new SyntaxError("Cannot parse a netlink error: it is too short");
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const code = -view.getInt32(0, true);
  let kernelMessage: string | undefined;
  let offset: number | undefined;
  let missing: number | undefined;
  if (flags & NLM_F_ACK_TLVS) {
    let quoted = 0;
    if (type === NLMSG_ERROR) {
      if (payload.length < 20) {
        throw new SyntaxError("Cannot parse a netlink error: it is too short");
      }
      quoted = flags & NLM_F_CAPPED ? 16 : view.getUint32(4, true);
    }
    const attributes = parseAttributes(payload, 4 + (quoted + 3 & ~3));
    const number = (data: Uint8Array<ArrayBuffer> | undefined) =>
      data === undefined || data.length < 4
        ? undefined
        : new DataView(data.buffer, data.byteOffset).getUint32(0, true);
    const text = attributes.get(1);
    kernelMessage = text && new TextDecoder().decode(text).replace(/\0.*$/, "");
    offset = number(attributes.get(2));
    missing = number(attributes.get(5));
  }
  if (code === 0) return kernelMessage ? { warning: kernelMessage } : {};
  const details = { errno: code, kernelMessage, offset, missing };
  return { error: new NetlinkError(operation, details) };
}

/**
 * A netlink socket and one conversation after another on it.
 *
 * The kernel runs a request inside send(2) and has queued every answer when
 * that returns; only a dump goes on in recv(2).
 */
export class Channel implements Disposable {
  readonly #fd: Fd;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  readonly #writer = new MessageWriter();
  #sequence = 0;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #closing = false;

  constructor(protocol: number, options: ChannelOptions = {}) {
    const make = () => open(protocol, options.groups ?? []);
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
    for (let step = talk.next();;) {
      if (step.done) return step.value;
      let result: Uint8Array<ArrayBuffer> = this.#buffer;
      try {
        if ("send" in step.value) this.#send(step.value);
        else result = this.#receive(step.value.operation);
      } catch (error) {
        step = talk.throw(error);
        continue;
      }
      step = talk.next(result);
    }
  }

  /** Holds a conversation after those before it, waiting for the kernel on other threads. */
  async run<T>(talk: () => Talk<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closing) {
      throw new Deno.errors.BadResource(
        "Cannot use the netlink socket: it is closed",
      );
    }
    this.#pending++;
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    try {
      await before;
      signal?.throwIfAborted();
      return await this.#drive(talk());
    } finally {
      this.#pending--;
      resolve();
      if (this.#closing && this.#pending === 0) this.#fd.close();
    }
  }

  async #drive<T>(talk: Talk<T>): Promise<T> {
    for (let step = talk.next();;) {
      if (step.done) return step.value;
      let result: Uint8Array<ArrayBuffer> = this.#buffer;
      try {
        if ("send" in step.value) {
          if (step.value.slow) await this.#sendAsync(step.value);
          else this.#send(step.value);
        } else if (step.value.slow) {
          result = await this.#receiveAsync(step.value.operation);
        } else result = this.#receive(step.value.operation);
      } catch (error) {
        step = talk.throw(error);
        continue;
      }
      step = talk.next(result);
    }
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

  #send(step: { send: Uint8Array<ArrayBuffer>; operation: string }): void {
    this.#reserve(step.send.length);
    const { send } = symbols();
    for (;;) {
      const sent = send(
        this.#fd.number,
        step.send,
        BigInt(step.send.length),
        0,
      );
      if (sent >= 0) return;
      const code = errno();
      if (code !== EINTR) {
        throw new NetlinkError(step.operation, { errno: code });
      }
    }
  }

  async #sendAsync(
    step: { send: Uint8Array<ArrayBuffer>; operation: string },
  ): Promise<void> {
    this.#reserve(step.send.length);
    const length = BigInt(step.send.length);
    const sent = await symbols().sendAsync(
      this.#fd.number,
      step.send,
      length,
      0,
    );
    // The errno stayed on the other thread. A send that failed did nothing, so
    // asking again here either does it or tells why not.
    if (sent < 0) this.#send(step);
  }

  #receive(operation: string): Uint8Array<ArrayBuffer> {
    const { recv } = symbols();
    const size = BigInt(BUFFER_SIZE);
    for (;;) {
      const flags = MSG_DONTWAIT | MSG_TRUNC;
      const count = Number(recv(this.#fd.number, this.#buffer, size, flags));
      if (count >= 0) return this.#datagram(count);
      const code = errno();
      if (code !== EINTR) throw new NetlinkError(operation, { errno: code });
    }
  }

  async #receiveAsync(operation: string): Promise<Uint8Array<ArrayBuffer>> {
    const count = Number(
      await symbols().recvAsync(
        this.#fd.number,
        this.#buffer,
        BigInt(BUFFER_SIZE),
        MSG_DONTWAIT | MSG_TRUNC,
      ),
    );
    return count < 0 ? this.#receive(operation) : this.#datagram(count);
  }

  /** A copy: the buffer is used again. */
  #datagram(count: number): Uint8Array<ArrayBuffer> {
    if (count > BUFFER_SIZE) {
      throw new RangeError(
        `Cannot receive a netlink message of ${count} bytes: the buffer has ${BUFFER_SIZE}`,
      );
    }
    return this.#buffer.slice(0, count);
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
    const slow = !wires.every(({ quick }) => quick);
    const isDump = wires.some(({ dump }) => dump);
    yield { send: writer.bytes, slow, operation };
    let left = wires.length;
    // The first part of a dump is made inside send(2).
    for (let more = false; left > 0; more = slow && isDump) {
      const bytes = yield { slow: more, operation };
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
