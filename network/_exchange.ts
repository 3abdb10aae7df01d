import type { Channel, Talk } from "./_channel.ts";
import { NLMSG_DONE, NLMSG_ERROR, parseAck } from "./_netlink_ack.ts";
import type { Way } from "./_pace.ts";
import { giveWriter, takeWriter } from "./_spare_writer.ts";
import { publishTrace } from "./_trace.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { NetlinkError } from "./netlink_error.ts";
import { type NetlinkMessage, parseMessages } from "./parse_messages.ts";

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;

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

/**
 * Sends the messages and collects what the kernel answers to each. They are
 * carried out in order, each on its own: one that fails does not stop the next.
 * One that cannot be written stops all, before the first is sent.
 */
export function* exchange(
  channel: Channel,
  wires: readonly Wire[],
): Talk<Reply[]> {
  const parcels: Parcel[] = [];
  for (let at = 0; at < wires.length; at += PIPELINE) {
    parcels.push(pack(channel, wires.slice(at, at + PIPELINE)));
  }
  const replies: Reply[] = [];
  for (const parcel of parcels) {
    replies.push(...yield* pipeline(parcel));
  }
  return replies;
}

/** Messages that are sent at once, and what waits for their answers. */
interface Parcel {
  readonly writer: MessageWriter;
  readonly wires: readonly Wire[];
  readonly replies: Reply[];
  readonly bySequence: ReadonlyMap<number, [Wire, Reply]>;
}

function pack(channel: Channel, wires: readonly Wire[]): Parcel {
  const writer = takeWriter();
  const bySequence = new Map<number, [Wire, Reply]>();
  const replies = wires.map((wire) => {
    const sequence = channel.nextSequence();
    const flags = wire.flags | NLM_F_REQUEST |
      (wire.dump ? NLM_F_DUMP : NLM_F_ACK);
    writer.begin({ type: wire.type, flags, sequence });
    wire.body(writer);
    writer.end();
    const reply = { messages: [], interrupted: false, finished: false };
    bySequence.set(sequence, [wire, reply]);
    return reply;
  });
  return { writer, wires, replies, bySequence };
}

function* pipeline(
  { writer, wires, replies, bySequence }: Parcel,
): Talk<Reply[]> {
  const start = performance.now();
  const operation = wires[0]!.operation;
  const ways = new Set(wires.map(({ way }) => way));
  const way = ways.has("elsewhere")
    ? "elsewhere"
    : ways.has("either")
    ? "either"
    : "here";
  yield { send: writer.bytes, way, operation };
  giveWriter(writer);
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
