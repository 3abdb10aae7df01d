/**
 * Routes.
 *
 * @module
 */

import { numberWord, readIp, u32, view, wordNumber } from "./_fields.ts";
import { familyName, familyNumber, familyOf, SCOPES } from "./_inet.ts";
import { creation, deleted } from "./_route_request.ts";
import type { Scope } from "./address.ts";
import { parseIp } from "./ip.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import { networkOf, parsePrefix } from "./prefix.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What happens to a packet that takes a route. */
export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw";

/** One of several ways of a route. */
export interface NextHop {
  /** The next router. */
  readonly gateway?: string | undefined;
  /** The link to go out by. */
  readonly link?: LinkRef | undefined;
  /** Its share of the flows, 1 to 256. */
  readonly weight?: number | undefined;
  /** Whether the gateway is taken to be on the link though no address says so. */
  readonly onLink?: boolean | undefined;
}

/** A route to make or to delete. */
export interface RouteSpec {
  /** Where it leads: a prefix, an address, or `0.0.0.0/0` and `::/0` for everything. */
  readonly destination: string;
  /** The next router. */
  readonly gateway?: string | undefined;
  /** The link to go out by. */
  readonly link?: LinkRef | undefined;
  /** Several ways instead of one. */
  readonly nextHops?: readonly NextHop[] | undefined;
  /** The own address for packets that have none yet. */
  readonly source?: string | undefined;
  /** Its priority; lower wins. */
  readonly metric?: number | undefined;
  /**
   * The table.
   *
   * @default {254, the main one}
   */
  readonly table?: number | undefined;
  /**
   * What happens to the packets.
   *
   * @default {"unicast"}
   */
  readonly type?: RouteType | undefined;
  /**
   * How far it reaches.
   *
   * @default {"link" without a gateway, else "universe"}
   */
  readonly scope?: Scope | undefined;
  /**
   * Who made it: 2 the kernel, 3 at boot, 4 by hand.
   *
   * @default {3}
   */
  readonly protocol?: number | undefined;
  /** Whether the gateway is taken to be on the link though no address says so. */
  readonly onLink?: boolean | undefined;
  /** The largest packet on this way, in bytes. */
  readonly mtu?: number | undefined;
  /** The TCP segment size to announce, in bytes. */
  readonly advmss?: number | undefined;
}

/** A route as the kernel reports it. */
export interface Route {
  /** The family of its addresses. */
  readonly family: "ipv4" | "ipv6";
  /** Where it leads, with a prefix length. */
  readonly destination: string;
  /** The next router. */
  readonly gateway: string | undefined;
  /** The index of the link to go out by. */
  readonly link: number | undefined;
  /** Several ways instead of one. */
  readonly nextHops: readonly {
    /** The next router. */
    readonly gateway: string | undefined;
    /** The index of the link to go out by. */
    readonly link: number;
    /** Its share of the flows. */
    readonly weight: number;
    /** Whether the gateway is taken to be on the link. */
    readonly onLink: boolean;
  }[];
  /** The own address for packets that have none yet. */
  readonly source: string | undefined;
  /** Its priority; lower wins. */
  readonly metric: number | undefined;
  /** The table. */
  readonly table: number;
  /** What happens to the packets. */
  readonly type: RouteType;
  /** How far it reaches. */
  readonly scope: Scope;
  /** Who made it. */
  readonly protocol: number;
  /** Whether the gateway is taken to be on the link. */
  readonly onLink: boolean;
  /** The largest packet on this way, in bytes. */
  readonly mtu: number | undefined;
  /** The TCP segment size to announce, in bytes. */
  readonly advmss: number | undefined;
}

/** Which routes to list. */
export interface ListRoutesOptions {
  /** Only those of a family. */
  readonly family?: "ipv4" | "ipv6" | undefined;
  /** Only those of a table; without it those of all. */
  readonly table?: number | undefined;
  /** Only those that go out by a link. */
  readonly link?: LinkRef | undefined;
}

const RTM = { NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26 };
const RTA = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
};
const RTAX = { MTU: 2, ADVMSS: 8 };
const RTNH_F_ONLINK = 4;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const TYPES: Readonly<Record<RouteType, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
};
/** Types that have no way to go, and so no reach. */
const DEAD_ENDS: readonly RouteType[] = [
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
];

/** `struct rtmsg` */
function writeHeader(
  writer: MessageWriter,
  {
    family = 0,
    length = 0,
    table = 0,
    protocol = 0,
    scope = 0,
    type = 0,
    flags = 0,
  },
): void {
  writer.u8(family).u8(length).u8(0).u8(0);
  // A table beyond one byte stands in its attribute only.
  writer.u8(table < 256 ? table : 0).u8(protocol).u8(scope).u8(type);
  writer.u32(flags);
}

function writeGateway(
  writer: MessageWriter,
  gateway: string,
  family: number,
): void {
  const address = parseIp(gateway);
  if (familyOf(address) === family) {
    writer.attribute(RTA.GATEWAY, address);
    return;
  }
  // RFC 5549: an IPv4 network behind an IPv6 router.
  const via = new Uint8Array(2 + address.length);
  via[0] = familyOf(address);
  via.set(address, 2);
  writer.attribute(RTA.VIA, via);
}

function writeNextHop(
  writer: MessageWriter,
  hop: NextHop,
  { family, index }: { family: number; index: number },
): void {
  const { weight = 1, gateway, onLink } = hop;
  if (!Number.isInteger(weight) || weight < 1 || weight > 256) {
    throw new RangeError(
      `Cannot weigh a next hop ${weight}: expected an integer from 1 to 256`,
    );
  }
  // struct rtnexthop { u16 length; u8 flags, weight - 1; s32 index }
  const start = writer.length;
  writer.u16(0).u8(onLink ? RTNH_F_ONLINK : 0).u8(weight - 1).u32(index);
  if (gateway !== undefined) writeGateway(writer, gateway, family);
  writer.patch16(start, writer.length - start);
}

function defaultScope(spec: RouteSpec): Scope {
  const type = spec.type ?? "unicast";
  if (type === "local") return "host";
  const direct = spec.gateway === undefined && spec.nextHops === undefined;
  return direct && !DEAD_ENDS.includes(type) && !spec.destination.includes(":")
    ? "link"
    : "universe";
}

function linksOf(spec: RouteSpec): LinkRef[] {
  return [spec.link, ...(spec.nextHops ?? []).map(({ link }) => link)]
    .filter((link) => link !== undefined);
}

function writeRoute(
  writer: MessageWriter,
  spec: RouteSpec,
  options: { indexOf: (link: LinkRef) => number; deleting: boolean },
): void {
  const { indexOf, deleting } = options;
  const { address, length } = networkOf(parsePrefix(spec.destination));
  const family = familyOf(address);
  const { type = "unicast", table = RT_TABLE_MAIN } = spec;
  // What is left out of a deletion is not compared.
  const scope = spec.scope ?? (deleting ? "nowhere" : defaultScope(spec));
  writeHeader(writer, {
    family,
    length,
    table,
    protocol: spec.protocol ?? (deleting ? 0 : RTPROT_BOOT),
    scope: wordNumber(SCOPES, scope),
    type: deleting && spec.type === undefined ? 0 : wordNumber(TYPES, type),
    flags: spec.onLink ? RTNH_F_ONLINK : 0,
  });
  writer.attribute32(RTA.TABLE, table);
  if (length > 0) writer.attribute(RTA.DST, address);
  if (spec.gateway !== undefined) writeGateway(writer, spec.gateway, family);
  if (spec.link !== undefined) writer.attribute32(RTA.OIF, indexOf(spec.link));
  if (spec.source !== undefined) {
    writer.attribute(RTA.PREFSRC, parseIp(spec.source));
  }
  if (spec.metric !== undefined) u32(RTA.PRIORITY).write(writer, spec.metric);
  const { mtu, advmss, nextHops } = spec;
  if (mtu !== undefined || advmss !== undefined) {
    writer.group(RTA.METRICS, () => {
      if (mtu !== undefined) u32(RTAX.MTU).write(writer, mtu);
      if (advmss !== undefined) u32(RTAX.ADVMSS).write(writer, advmss);
    });
  }
  if (nextHops !== undefined) {
    writer.group(RTA.MULTIPATH, () => {
      for (const hop of nextHops) {
        const index = hop.link === undefined ? 0 : indexOf(hop.link);
        writeNextHop(writer, hop, { family, index });
      }
    });
  }
}

/** How an error speaks of a route. */
function describe(spec: RouteSpec): string {
  const via = spec.gateway === undefined ? "" : ` via ${spec.gateway}`;
  const link = spec.link === undefined ? "" : ` on ${spec.link}`;
  return `route to ${spec.destination}${via}${link}`;
}

/**
 * Adds a route. Its link must be up.
 *
 * @param spec The route.
 * @param options What to do if there is one already.
 * @returns A request without an answer.
 * @throws {SyntaxError} If an address is none.
 *
 * @example Usage
 * ```ts ignore
 * import { addRoute, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addRoute({ destination: "0.0.0.0/0", gateway: "10.0.0.1" }));
 * ```
 */
export function addRoute(
  spec: RouteSpec,
  options: { readonly ifExists?: IfExists } = {},
): RouteRequest<void> {
  parsePrefix(spec.destination);
  return {
    operation: `add ${describe(spec)}`,
    type: RTM.NEWROUTE,
    links: linksOf(spec),
    body: (writer, indexOf) =>
      writeRoute(writer, spec, { indexOf, deleting: false }),
    ...creation(options.ifExists),
  };
}

/**
 * Deletes the first route that fits.
 *
 * @param spec The route; what is left out fits any.
 * @returns A request that tells whether there was one.
 * @throws {SyntaxError} If an address is none.
 *
 * @example Usage
 * ```ts ignore
 * import { deleteRoute, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteRoute({ destination: "10.1.0.0/16" }));
 * ```
 */
export function deleteRoute(spec: RouteSpec): RouteRequest<boolean> {
  parsePrefix(spec.destination);
  return {
    operation: `delete ${describe(spec)}`,
    type: RTM.DELROUTE,
    flags: 0,
    links: linksOf(spec),
    body: (writer, indexOf) =>
      writeRoute(writer, spec, { indexOf, deleting: true }),
    ...deleted(["ESRCH"]),
  };
}

/**
 * Lists routes.
 *
 * @param options Which ones; the kernel does the choosing.
 * @returns A request that gives the routes.
 *
 * @example Usage
 * ```ts
 * import { listRoutes, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const routes = await route.request(listRoutes({ family: "ipv4", table: 254 }));
 * assert(routes.every(({ table }) => table === 254));
 * ```
 */
export function listRoutes(
  options: ListRoutesOptions = {},
): RouteRequest<Route[]> {
  const { family, table, link } = options;
  return {
    operation: "list routes",
    type: RTM.GETROUTE,
    flags: 0,
    dump: true,
    ...(link !== undefined && { links: [link] }),
    body(writer, indexOf) {
      writeHeader(writer, { family: familyNumber(family) });
      if (table !== undefined) writer.attribute32(RTA.TABLE, table);
      if (link !== undefined) writer.attribute32(RTA.OIF, indexOf(link));
    },
    decode: (messages) => messages.map(({ payload }) => parseRoute(payload)),
    recover(error) {
      // A table that nobody ever used does not exist.
      if (error.code === "ENOENT" && table !== undefined) return [];
      throw error;
    },
  };
}

/**
 * Asks the kernel which way a packet would take.
 *
 * @param destination The address it goes to.
 * @returns A request that gives the route.
 * @throws {SyntaxError} If it is no address.
 *
 * @example Usage
 * ```ts
 * import { lookupRoute, RouteSocket } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const { type } = await route.request(lookupRoute("127.0.0.1"));
 * assertEquals(type, "local");
 * ```
 */
export function lookupRoute(destination: string): RouteRequest<Route> {
  const address = parseIp(destination);
  return {
    operation: `look up the route to ${destination}`,
    type: RTM.GETROUTE,
    flags: 0,
    body(writer) {
      writeHeader(writer, {
        family: familyOf(address),
        length: address.length * 8,
      });
      writer.attribute(RTA.DST, address);
    },
    decode: (messages) => parseRoute(messages[0]!.payload),
  };
}

function readGateway(
  attributes: ReadonlyMap<number, Bytes>,
): string | undefined {
  const gateway = attributes.get(RTA.GATEWAY);
  if (gateway !== undefined) return readIp(gateway);
  const via = attributes.get(RTA.VIA);
  return via && readIp(via.subarray(2));
}

function readNextHops(data: Bytes): Route["nextHops"] {
  const hops: Route["nextHops"][number][] = [];
  for (let at = 0; at < data.length;) {
    const header = view(data.subarray(at), 8);
    const length = header.getUint16(0, true);
    if (length < 8 || at + length > data.length) {
      throw new SyntaxError(
        `Cannot parse a next hop: ${length} is no length for ${
          data.length - at
        } bytes`,
      );
    }
    const attributes = parseAttributes(data.subarray(at + 8, at + length));
    hops.push({
      gateway: readGateway(attributes),
      link: header.getInt32(4, true),
      weight: header.getUint8(3) + 1,
      onLink: (header.getUint8(2) & RTNH_F_ONLINK) !== 0,
    });
    at += length + 3 & ~3;
  }
  return hops;
}

/**
 * Reads a route from the payload of an `RTM_NEWROUTE` or `RTM_DELROUTE` message.
 *
 * @param payload What follows the netlink header.
 * @returns The route.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseRoute } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.u8(2).u8(0).u8(0).u8(0).u8(254).u8(3).u8(0).u8(1).u32(0);
 * writer.attribute(5, new Uint8Array([10, 0, 0, 1]));
 * const { destination, gateway } = parseRoute(writer.bytes);
 * assertEquals([destination, gateway], ["0.0.0.0/0", "10.0.0.1"]);
 * ```
 */
export function parseRoute(payload: Uint8Array<ArrayBuffer>): Route {
  const header = view(payload, 12);
  const attributes = parseAttributes(payload, 12);
  const number = (type: number) => {
    const data = attributes.get(type);
    return data && view(data, 4).getUint32(0, true);
  };
  const family = familyName(header.getUint8(0));
  const destination = attributes.get(RTA.DST);
  const source = attributes.get(RTA.PREFSRC);
  const metricData = attributes.get(RTA.METRICS);
  const metrics = metricData && parseAttributes(metricData);
  const metric = (type: number) => {
    const data = metrics?.get(type);
    return data && view(data, 4).getUint32(0, true);
  };
  const hops = attributes.get(RTA.MULTIPATH);
  const anywhere = family === "ipv4" ? "0.0.0.0" : "::";
  return {
    family,
    destination: `${
      destination === undefined ? anywhere : readIp(destination)
    }/${header.getUint8(1)}`,
    gateway: readGateway(attributes),
    link: number(RTA.OIF),
    nextHops: hops === undefined ? [] : readNextHops(hops),
    source: source && readIp(source),
    metric: number(RTA.PRIORITY),
    table: number(RTA.TABLE) ?? header.getUint8(4),
    type: numberWord(TYPES, header.getUint8(7)),
    scope: numberWord(SCOPES, header.getUint8(6)),
    protocol: header.getUint8(5),
    onLink: (header.getUint32(8, true) & RTNH_F_ONLINK) !== 0,
    mtu: metric(RTAX.MTU),
    advmss: metric(RTAX.ADVMSS),
  };
}
