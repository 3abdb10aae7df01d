/**
 * Reading routes.
 *
 * @module
 */

import { numberWord, readIp, view } from "./_fields.ts";
import { familyName, SCOPES } from "./_inet.ts";
import { RTA, RTAX, RTNH_F_ONLINK, TYPES } from "./_route_codec.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { Route } from "./route_spec.ts";

type Bytes = Uint8Array<ArrayBuffer>;

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
    nextHopId: number(RTA.NH_ID),
  };
}
