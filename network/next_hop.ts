/**
 * Next hops that routes share.
 *
 * @module
 */

import {
  type Fields,
  ip,
  readFields,
  u32,
  view,
  writeFields,
} from "./_fields.ts";
import { familyOf } from "./_inet.ts";
import { creation, deleted } from "./_route_request.ts";
import { parseIp } from "./ip.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";

/** A next hop of a group. */
export interface NextHopMember {
  /** The next hop. */
  readonly id: number;
  /**
   * Its share of the flows, 1 to 256.
   *
   * @default {1}
   */
  readonly weight?: number | undefined;
}

/** A next hop to make: a router, a link, a group of others, or the end. */
export interface NextHopSpec {
  /** Its number in the namespace, from 1. */
  readonly id: number;
  /** The next router. */
  readonly gateway?: string | undefined;
  /** The link to go out by; it must be up. */
  readonly link?: LinkRef | undefined;
  /**
   * Which packets it is for, where no gateway says it.
   *
   * @default {"ipv4"}
   */
  readonly family?: "ipv4" | "ipv6" | undefined;
  /** Drops what goes this way; needs the loopback link to be up. */
  readonly blackhole?: boolean | undefined;
  /** Others among which flows are shared out, instead of all the above. */
  readonly group?: readonly NextHopMember[] | undefined;
}

/** A next hop as the kernel reports it. */
export interface NextHopInfo {
  /** Its number in the namespace. */
  readonly id: number;
  /** The next router. */
  readonly gateway: string | undefined;
  /** The index of the link to go out by. */
  readonly link: number | undefined;
  /** Whether it drops what goes this way. */
  readonly blackhole: boolean;
  /** Of a group, the others. */
  readonly group: readonly Required<NextHopMember>[];
}

interface Plain {
  readonly id?: number | undefined;
  readonly link?: number | undefined;
  readonly gateway?: string | undefined;
}

const RTM = { NEWNEXTHOP: 104, DELNEXTHOP: 105, GETNEXTHOP: 106 };
const NHA = { GROUP: 2, BLACKHOLE: 4 };
const PLAIN: Fields<Plain> = { id: u32(1), link: u32(5), gateway: ip(6) };
const FAMILIES = { ipv4: 2, ipv6: 10 };
const AF_UNSPEC = 0;
const RTPROT_BOOT = 3;
const MOST = 256;

/** `struct nhmsg { u8 family, scope, protocol, reserved; u32 flags }` */
function writeHeader(
  writer: MessageWriter,
  { family = AF_UNSPEC, protocol = 0 },
): void {
  writer.u8(family).u8(0).u8(protocol).u8(0).u32(0);
}

function familyNumberOf(spec: NextHopSpec): number {
  if (spec.group !== undefined) return AF_UNSPEC;
  if (spec.gateway === undefined) return FAMILIES[spec.family ?? "ipv4"];
  return familyOf(parseIp(spec.gateway));
}

function writeGroup(
  writer: MessageWriter,
  group: readonly NextHopMember[],
): void {
  // struct nexthop_grp { u32 id; u8 weight - 1, weight_high; u16 }
  writer.group(NHA.GROUP, () => {
    for (const { id, weight = 1 } of group) {
      if (!Number.isInteger(weight) || weight < 1 || weight > MOST) {
        throw new RangeError(
          `Cannot weigh the next hop ${id} ${weight}: expected an integer from 1 to ${MOST}`,
        );
      }
      writer.u32(id).u8(weight - 1).u8(0).u16(0);
    }
  });
}

/**
 * Makes a next hop that any number of routes can use by its number: changing it
 * changes them all, see ip-nexthop(8).
 *
 * @param spec The next hop.
 * @param options What to do if its number is taken.
 * @returns A request without an answer.
 * @throws {RangeError} If a weight is out of range.
 *
 * @example Usage
 * ```ts ignore
 * import { addNextHop, addRoute, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.batch([
 *   addNextHop({ id: 1, gateway: "10.0.0.1", link: 2 }),
 *   addRoute({ destination: "10.1.0.0/16", nextHopId: 1 }),
 * ]);
 * ```
 */
export function addNextHop(
  spec: NextHopSpec,
  options: { readonly ifExists?: IfExists } = {},
): RouteRequest<void> {
  const { id, link, group, gateway, blackhole } = spec;
  return {
    operation: `add next hop ${id}`,
    type: RTM.NEWNEXTHOP,
    links: link === undefined ? [] : [link],
    body(writer, indexOf) {
      const family = familyNumberOf(spec);
      writeHeader(writer, { family, protocol: RTPROT_BOOT });
      writeFields(writer, PLAIN, {
        id,
        link: link === undefined ? undefined : indexOf(link),
        gateway,
      });
      if (blackhole) writer.attribute(NHA.BLACKHOLE, new Uint8Array());
      if (group !== undefined) writeGroup(writer, group);
    },
    ...creation(options.ifExists),
  };
}

/**
 * Deletes a next hop, and the routes that use it.
 *
 * @param id Its number.
 * @returns A request that tells whether there was one.
 *
 * @example Usage
 * ```ts ignore
 * import { deleteNextHop, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteNextHop(1));
 * ```
 */
export function deleteNextHop(id: number): RouteRequest<boolean> {
  return {
    operation: `delete next hop ${id}`,
    type: RTM.DELNEXTHOP,
    flags: 0,
    duration: "long",
    body(writer) {
      writeHeader(writer, {});
      writeFields<Plain>(writer, PLAIN, { id });
    },
    ...deleted(["ENOENT"]),
  };
}

/**
 * Lists next hops.
 *
 * @returns A request that gives them.
 *
 * @example Usage
 * ```ts
 * import { listNextHops, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const hops = await route.request(listNextHops());
 * assert(hops.every(({ id }) => id > 0));
 * ```
 */
export function listNextHops(): RouteRequest<NextHopInfo[]> {
  return {
    operation: "list next hops",
    type: RTM.GETNEXTHOP,
    flags: 0,
    dump: true,
    body: (writer) => writeHeader(writer, {}),
    decode: (messages) => messages.map(({ payload }) => parseNextHop(payload)),
  };
}

/**
 * Reads a next hop from the payload of an `RTM_NEWNEXTHOP` message.
 *
 * @param payload What follows the netlink header.
 * @returns The next hop.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseNextHop } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter().u8(2).u8(0).u8(3).u8(0).u32(0);
 * writer.attribute32(1, 7);
 * assertEquals(parseNextHop(writer.bytes).id, 7);
 * ```
 */
export function parseNextHop(payload: Uint8Array<ArrayBuffer>): NextHopInfo {
  view(payload, 8);
  const attributes = parseAttributes(payload, 8);
  const { id, link, gateway } = readFields<Plain>(PLAIN, attributes);
  if (id === undefined) {
    throw new SyntaxError("Cannot parse a next hop: its number is missing");
  }
  const data = attributes.get(NHA.GROUP) ?? new Uint8Array();
  const group: Required<NextHopMember>[] = [];
  for (let at = 0; at < data.length; at += 8) {
    const member = view(data.subarray(at), 8);
    group.push({
      id: member.getUint32(0, true),
      weight: member.getUint8(4) + 1,
    });
  }
  const blackhole = attributes.has(NHA.BLACKHOLE);
  return { id, gateway, link, blackhole, group };
}
