import { u32, wordNumber } from "./_fields.ts";
import { familyOf, SCOPES } from "./_inet.ts";
import type { Scope } from "./address.ts";
import { parseIp } from "./ip.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { networkOf, parsePrefix } from "./prefix.ts";
import type { NextHop, RouteSpec, RouteType } from "./route_spec.ts";

/** Attributes of a route. */
export const RTA = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  NH_ID: 30,
};
/** Metrics of a route. */
export const RTAX = { MTU: 2, ADVMSS: 8 };
/** The flag of a gateway that is taken to be on the link. */
export const RTNH_F_ONLINK = 4;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
/** `RTN_*` */
export const TYPES: Readonly<Record<RouteType, number>> = {
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
export function writeRouteHeader(
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
  const direct = spec.gateway === undefined && spec.nextHops === undefined &&
    spec.nextHopId === undefined;
  return direct && !DEAD_ENDS.includes(type) && !spec.destination.includes(":")
    ? "link"
    : "universe";
}

/** The links that a route names. */
export function linksOf(spec: RouteSpec): LinkRef[] {
  return [spec.link, ...(spec.nextHops ?? []).map(({ link }) => link)]
    .filter((link) => link !== undefined);
}

/** Writes a route to make or to delete. */
export function writeRoute(
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
  writeRouteHeader(writer, {
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
  if (spec.nextHopId !== undefined) {
    u32(RTA.NH_ID).write(writer, spec.nextHopId);
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
