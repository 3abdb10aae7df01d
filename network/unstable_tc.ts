/**
 * Limits of bandwidth, by the token bucket filter of tc-tbf(8).
 *
 * What a link sends is limited where it sends: towards a container that is the
 * host's end of its pair, from a container the end inside.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import {
  type Fields,
  numberWord,
  readFields,
  readText,
  u32,
  view,
  writeFields,
} from "./_fields.ts";
import { describeLink } from "./_link_message.ts";
import { deleted, nothing } from "./_route_request.ts";
import { readRate, writeTokenBucket } from "./_token_bucket.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { RouteRequest } from "./route_request.ts";

export type { LinkRef, RouteRequest };

/** A limit. */
export interface Bandwidth {
  /** What passes in the long run, in bytes per second. */
  readonly rate: number;
  /**
   * What may pass at once, in bytes.
   *
   * @default {what passes in 10 ms, at least 65536}
   */
  readonly burst?: number | undefined;
  /**
   * How long a packet waits before it is dropped, in milliseconds.
   *
   * @default {100}
   */
  readonly latency?: number | undefined;
}

/** A queue of packets, as the kernel reports it. */
export interface Qdisc {
  /** The index of its link. */
  readonly link: number;
  /** Such as `tbf` or `noqueue`. */
  readonly kind: string;
  /** Where it hangs: the link itself, what comes in, or another queue. */
  readonly parent: "root" | "ingress" | number;
  /** Of a `tbf`, what passes in the long run, in bytes per second. */
  readonly rate: number | undefined;
  /** Of an `fq`, its limits. */
  readonly fairQueue: FairQueueOptions | undefined;
}

const RTM = { NEWQDISC: 36, DELQDISC: 37, GETQDISC: 38 };
const TCA = { KIND: 1, OPTIONS: 2 };
const CREATE_REPLACE = 0x400 | 0x100;
const PARENTS = { root: 0xffffffff, ingress: 0xfffffff1 };
/** What a packet and its header have at most, or one larger never passes. */
const SMALLEST_BURST = 65536;

/** `struct tcmsg` */
function writeHeader(writer: MessageWriter, index: number, parent = 0): void {
  writer.u32(0).u32(index).u32(0).u32(parent).u32(0);
}

function check(name: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0) {
    throw new RangeError(
      `Cannot limit to the ${name} ${value}: expected a number above 0`,
    );
  }
  return value;
}

/**
 * Limits what a link sends; a limit it has is replaced.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param link Its index or name.
 * @param bandwidth The limit.
 * @returns A request without an answer.
 * @throws {RangeError} If a number is not above 0.
 *
 * @example Usage
 * ```ts ignore
 * import { RouteSocket } from "@containerkit/network";
 * import { limitLink } from "@containerkit/network/unstable-tc";
 *
 * using route = new RouteSocket();
 * await route.request(limitLink("veth0", { rate: 1_000_000 }));
 * ```
 */
export function limitLink(
  link: LinkRef,
  bandwidth: Bandwidth,
): RouteRequest<void> {
  const rate = Math.round(check("rate", bandwidth.rate));
  const burst = Math.round(
    check("burst", bandwidth.burst ?? Math.max(SMALLEST_BURST, rate / 100)),
  );
  const latency = check("latency", bandwidth.latency ?? 100);
  return {
    operation: `limit ${describeLink(link)} to ${rate} bytes per second`,
    type: RTM.NEWQDISC,
    flags: CREATE_REPLACE,
    duration: "long",
    links: [link],
    body(writer, indexOf) {
      writeHeader(writer, indexOf(link), PARENTS.root);
      writer.string(TCA.KIND, "tbf");
      writer.nest(
        TCA.OPTIONS,
        () => writeTokenBucket(writer, { rate, burst, latency }),
      );
    },
    decode: nothing,
  };
}

/** Options of a fair queue, see tc-fq(8). */
export interface FairQueueOptions {
  /** How many packets wait at most. */
  readonly limit?: number | undefined;
  /** How many of one flow. */
  readonly flowLimit?: number | undefined;
  /** How many bytes of a flow pass before it is another's turn. */
  readonly quantum?: number | undefined;
  /** What one flow may send, in bytes per second. */
  readonly flowMaxRate?: number | undefined;
}

const FAIR_QUEUE: Fields<FairQueueOptions> = {
  limit: u32(1),
  flowLimit: u32(2),
  quantum: u32(3),
  flowMaxRate: u32(7),
};

/**
 * Shares out what a link sends among its flows, and spaces out the packets of
 * each; what paces TCP with BBR.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param link Its index or name.
 * @param options The limits.
 * @returns A request without an answer.
 * @throws {RangeError} If a number is out of range.
 *
 * @example Usage
 * ```ts ignore
 * import { RouteSocket } from "@containerkit/network";
 * import { shareLink } from "@containerkit/network/unstable-tc";
 *
 * using route = new RouteSocket();
 * await route.request(shareLink("eth0"));
 * ```
 */
export function shareLink(
  link: LinkRef,
  options: FairQueueOptions = {},
): RouteRequest<void> {
  return {
    operation: `share out ${describeLink(link)} among flows`,
    type: RTM.NEWQDISC,
    flags: CREATE_REPLACE,
    duration: "long",
    links: [link],
    body(writer, indexOf) {
      writeHeader(writer, indexOf(link), PARENTS.root);
      writer.string(TCA.KIND, "fq");
      writer.nest(
        TCA.OPTIONS,
        () => writeFields(writer, FAIR_QUEUE, options),
      );
    },
    decode: nothing,
  };
}

/**
 * Removes the limit of a link.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param link Its index or name.
 * @returns A request that tells whether it had one.
 *
 * @example Usage
 * ```ts ignore
 * import { RouteSocket } from "@containerkit/network";
 * import { unlimitLink } from "@containerkit/network/unstable-tc";
 *
 * using route = new RouteSocket();
 * await route.request(unlimitLink("veth0"));
 * ```
 */
export function unlimitLink(link: LinkRef): RouteRequest<boolean> {
  return {
    operation: `remove the limit of ${describeLink(link)}`,
    type: RTM.DELQDISC,
    flags: 0,
    duration: "long",
    links: [link],
    body: (writer, indexOf) => writeHeader(writer, indexOf(link), PARENTS.root),
    ...deleted(["ENOENT"]),
  };
}

/**
 * Lists the queues of all links.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @returns A request that gives the queues.
 *
 * @example Usage
 * ```ts ignore
 * import { RouteSocket } from "@containerkit/network";
 * import { listQdiscs } from "@containerkit/network/unstable-tc";
 *
 * using route = new RouteSocket();
 * console.log(await route.request(listQdiscs()));
 * ```
 */
export function listQdiscs(): RouteRequest<Qdisc[]> {
  return {
    operation: "list queues",
    type: RTM.GETQDISC,
    flags: 0,
    dump: true,
    body: (writer) => writeHeader(writer, 0),
    decode: (messages) => messages.map(({ payload }) => parseQdisc(payload)),
  };
}

/**
 * Reads a queue from the payload of an `RTM_NEWQDISC` message.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param payload What follows the netlink header.
 * @returns The queue.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { parseQdisc } from "@containerkit/network/unstable-tc";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => parseQdisc(new Uint8Array(4)), SyntaxError);
 * ```
 */
export function parseQdisc(payload: Uint8Array<ArrayBuffer>): Qdisc {
  const header = view(payload, 20);
  const attributes = parseAttributes(payload, 20);
  const kind = readText(attributes.get(TCA.KIND) ?? new Uint8Array());
  const parent = header.getUint32(12, true);
  const known = numberWord<"root" | "ingress">(PARENTS, parent);
  const data = attributes.get(TCA.OPTIONS);
  const options = data && parseAttributes(data);
  return {
    link: header.getInt32(4, true),
    kind,
    parent: Object.hasOwn(PARENTS, known) ? known : parent,
    rate: options && kind === "tbf" ? readRate(options) : undefined,
    fairQueue: options && kind === "fq"
      ? readFields(FAIR_QUEUE, options)
      : undefined,
  };
}
