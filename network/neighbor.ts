/**
 * Neighbours, and the forwarding tables of bridges.
 *
 * @module
 */

import { formatWords, readFields, readIp, view } from "./_fields.ts";
import { familyName, familyNumber } from "./_inet.ts";
import { describeLink } from "./_link_message.ts";
import {
  AF_BRIDGE,
  NDA,
  NTF,
  PLAIN,
  type Plain,
  STATES,
  writeNeighbor,
  writeNeighborHeader,
} from "./_neighbor_codec.ts";
import { creation, deleted } from "./_route_request.ts";
import type { LinkRef } from "./link.ts";
import type {
  ForwardingSpec,
  Neighbor,
  NeighborSpec,
} from "./neighbor_spec.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";

/** Which neighbours to list. */
export interface ListNeighborsOptions {
  /** Only those of a family; `"bridge"` lists forwarding tables. */
  readonly family?: "ipv4" | "ipv6" | "bridge" | undefined;
  /** Only those of a link. */
  readonly link?: LinkRef | undefined;
  /** Those this host answers for, instead of the others. */
  readonly proxy?: boolean | undefined;
}

const RTM = { NEWNEIGH: 28, DELNEIGH: 29, GETNEIGH: 30 };

function describe(spec: NeighborSpec | ForwardingSpec): string {
  const what = "address" in spec ? spec.address : spec.mac;
  return `neighbour ${what} on ${describeLink(spec.link)}`;
}

/**
 * Adds a neighbour, or an entry of a bridge's forwarding table.
 *
 * @param spec What to add.
 * @param options What to do if there is one already.
 * @returns A request without an answer.
 * @throws {SyntaxError} If an address is none.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { addNeighbor, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addNeighbor({
 *   link: "eth0",
 *   address: "10.0.0.9",
 *   mac: "02:00:00:00:00:09",
 * }));
 * ```
 */
export function addNeighbor(
  spec: NeighborSpec | ForwardingSpec,
  options: { readonly ifExists?: IfExists } = {},
): RouteRequest<void> {
  return {
    operation: `add ${describe(spec)}`,
    type: RTM.NEWNEIGH,
    links: [spec.link],
    body: (writer, indexOf) => writeNeighbor(writer, spec, indexOf(spec.link)),
    ...creation(options.ifExists),
  };
}

/**
 * Deletes a neighbour, or an entry of a bridge's forwarding table.
 *
 * @param spec What to delete.
 * @returns A request that tells whether there was one.
 * @throws {SyntaxError} If an address is none.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { deleteNeighbor, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteNeighbor({ link: "eth0", address: "10.0.0.9" }));
 * ```
 */
export function deleteNeighbor(
  spec: NeighborSpec | ForwardingSpec,
): RouteRequest<boolean> {
  return {
    operation: `delete ${describe(spec)}`,
    type: RTM.DELNEIGH,
    flags: 0,
    links: [spec.link],
    body: (writer, indexOf) => writeNeighbor(writer, spec, indexOf(spec.link)),
    ...deleted(["ENOENT"]),
  };
}

/**
 * Lists neighbours, or forwarding tables.
 *
 * @param options Which ones.
 * @returns A request that gives them.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { listNeighbors, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const neighbors = await route.request(listNeighbors({ family: "ipv4" }));
 * assert(neighbors.every(({ family }) => family === "ipv4"));
 * ```
 */
export function listNeighbors(
  options: ListNeighborsOptions = {},
): RouteRequest<Neighbor[]> {
  const { family, link, proxy = false } = options;
  const bridge = family === "bridge";
  return {
    operation: "list neighbours",
    type: RTM.GETNEIGH,
    flags: 0,
    dump: true,
    ...(link !== undefined && { links: [link] }),
    body(writer, indexOf) {
      const index = link === undefined ? 0 : indexOf(link);
      writeNeighborHeader(writer, {
        family: bridge ? AF_BRIDGE : familyNumber(family),
        flags: proxy ? NTF.PROXY : 0,
        // The list of forwarding tables takes its link here, the others as an attribute.
        index: bridge ? index : 0,
      });
      if (!bridge && index !== 0) writer.attribute32(NDA.IFINDEX, index);
    },
    decode: (messages) => messages.map(({ payload }) => parseNeighbor(payload)),
  };
}

/**
 * Reads a neighbour from the payload of an `RTM_NEWNEIGH` or `RTM_DELNEIGH` message.
 *
 * @param payload What follows the netlink header.
 * @returns The neighbour.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseNeighbor } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.u8(2).u8(0).u16(0).u32(7).u16(0x80).u8(0).u8(1);
 * writer.attribute(1, new Uint8Array([10, 0, 0, 9]));
 * const { address, states } = parseNeighbor(writer.bytes);
 * assertEquals([address, states], ["10.0.0.9", ["permanent"]]);
 * ```
 */
export function parseNeighbor(payload: Uint8Array<ArrayBuffer>): Neighbor {
  const header = view(payload, 12);
  const attributes = parseAttributes(payload, 12);
  const address = attributes.get(NDA.DST);
  const plain = readFields<Plain>(PLAIN, attributes);
  const family = header.getUint8(0);
  return {
    family: family === AF_BRIDGE ? "bridge" : familyName(family),
    link: header.getInt32(4, true),
    address: address && readIp(address),
    mac: plain.mac,
    states: formatWords(STATES, header.getUint16(8, true)),
    proxy: (header.getUint8(10) & NTF.PROXY) !== 0,
    vlan: plain.vlan,
    master: plain.master,
  };
}
