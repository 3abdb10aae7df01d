/**
 * Watching a network namespace.
 *
 * @module
 */

import { Channel } from "./_channel.ts";
import { readFields, view } from "./_fields.ts";
import { BRIDGE_PORT } from "./_link_kinds.ts";
import { Monitor } from "./_monitor.ts";
import { indexAttributes } from "./_walk_attributes.ts";
import { type Address, parseAddress } from "./address.ts";
import { type Link, parseLink } from "./link.ts";
import { parseNeighbor } from "./neighbor.ts";
import type { Neighbor } from "./neighbor_spec.ts";
import type { BridgePortOptions } from "./link_kind.ts";
import type { NetNs } from "./net_ns.ts";
import { type NetlinkMessage, parseMessages } from "./parse_messages.ts";
import { parseRoute } from "./parse_route.ts";
import type { Route } from "./route_spec.ts";
import { parseRule, type RuleSpec } from "./rule.ts";

/** What can be watched. */
export type MonitorGroup = "link" | "address" | "route" | "neighbor" | "rule";

/** Something that changed. */
export type RouteEvent =
  | {
    /** What changed. */
    readonly type: "link";
    /** Whether it was made or changed, or is gone. */
    readonly action: "set" | "deleted";
    /** The link. */
    readonly link: Link;
  }
  | {
    /** What changed: a port, as a bridge tells of it. */
    readonly type: "port";
    /** The index of the link. */
    readonly link: number;
    /** Its options as a port. */
    readonly port: BridgePortOptions;
  }
  | {
    /** What changed. */
    readonly type: "address";
    /** Whether it was made or changed, or is gone. */
    readonly action: "set" | "deleted";
    /** The address. */
    readonly address: Address;
  }
  | {
    /** What changed. */
    readonly type: "route";
    /** Whether it was made or changed, or is gone. */
    readonly action: "set" | "deleted";
    /** The route. */
    readonly route: Route;
  }
  | {
    /** What changed. */
    readonly type: "neighbor";
    /** Whether it was made or changed, or is gone. */
    readonly action: "set" | "deleted";
    /** The neighbour. */
    readonly neighbor: Neighbor;
  }
  | {
    /** What changed. */
    readonly type: "rule";
    /** Whether it was made or changed, or is gone. */
    readonly action: "set" | "deleted";
    /** The rule. */
    readonly rule: RuleSpec;
  }
  | {
    /** Changes were lost: what is known must be listed anew. */
    readonly type: "overrun";
  };

/** Options of {@linkcode RouteMonitor}. */
export interface RouteMonitorOptions {
  /**
   * The namespace to watch.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
  /**
   * What to watch.
   *
   * @default {["link", "address", "route"]}
   */
  readonly groups?: readonly MonitorGroup[] | undefined;
  /**
   * How many bytes of changes may wait to be read.
   *
   * @default {4194304}
   */
  readonly bufferSize?: number | undefined;
  /** Ends the watching, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** `RTNLGRP_*` */
const GROUPS: Readonly<Record<MonitorGroup, readonly number[]>> = {
  link: [1],
  neighbor: [3],
  address: [5, 9],
  route: [7, 11],
  rule: [8, 19],
};
const NETLINK_ROUTE = 0;
const AF_BRIDGE = 7;
const IFLA_PROTINFO = 12;

/** By `RTM_NEW*`; the number after it is `RTM_DEL*`. */
const RTM = { LINK: 16, ADDRESS: 20, ROUTE: 24, NEIGHBOR: 28, RULE: 32 };

/** What a bridge tells: of the link it has the name and little more, so that it is no event of the link. */
function readPort(payload: Uint8Array<ArrayBuffer>): RouteEvent | undefined {
  const options = indexAttributes(payload, 16).get(IFLA_PROTINFO);
  return options && {
    type: "port",
    link: view(payload, 16).getInt32(4, true),
    port: readFields(BRIDGE_PORT, indexAttributes(options)),
  };
}

function readEvent(message: NetlinkMessage): RouteEvent | undefined {
  const gone = (message.type & 3) === 1;
  const action = gone ? "deleted" : "set";
  const { payload } = message;
  switch (message.type - Number(gone)) {
    case RTM.LINK:
      if (payload[0] === AF_BRIDGE) {
        // A port that leaves a bridge; without one, the link is told of next.
        return gone ? undefined : readPort(payload);
      }
      return { type: "link", action, link: parseLink(payload) };
    case RTM.ADDRESS:
      return { type: "address", action, address: parseAddress(payload) };
    case RTM.ROUTE:
      return { type: "route", action, route: parseRoute(payload) };
    case RTM.NEIGHBOR:
      return { type: "neighbor", action, neighbor: parseNeighbor(payload) };
    case RTM.RULE:
      return { type: "rule", action, rule: parseRule(payload) };
    default:
      return undefined;
  }
}

/**
 * Watches what changes in a network namespace, from the moment it is made:
 * list after that, and nothing is missed.
 *
 * @example Usage
 * ```ts ignore
 * import { RouteMonitor } from "@containerkit/network";
 *
 * using monitor = new RouteMonitor({ groups: ["link"] });
 * for await (const event of monitor) {
 *   if (event.type === "link") console.log(event.action, event.link.name);
 * }
 * ```
 */
export class RouteMonitor implements AsyncIterable<RouteEvent>, Disposable {
  readonly #monitor: Monitor;

  /**
   * Starts to watch.
   *
   * @param options What, and where.
   * @throws {SyscallError} If the kernel refuses.
   */
  constructor(options: RouteMonitorOptions = {}) {
    const { groups = ["link", "address", "route"], netns } = options;
    const { bufferSize = 4 << 20, signal } = options;
    signal?.throwIfAborted();
    const channel = new Channel(NETLINK_ROUTE, {
      netns,
      groups: groups.flatMap((group) => GROUPS[group]),
    });
    channel.setReceiveBuffer(bufferSize);
    this.#monitor = new Monitor(channel, signal);
  }

  /** Gives the changes as they come, until the end of the watching. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RouteEvent> {
    for await (const bytes of this.#monitor.datagrams()) {
      if (bytes === undefined) yield { type: "overrun" };
      else {
        yield* parseMessages(bytes).map(readEvent)
          .filter((event) => event !== undefined);
      }
    }
  }

  /** Ends the watching. */
  close(): void {
    this.#monitor.close();
  }

  /** Ends the watching at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
