/**
 * Neighbours, and the forwarding tables of bridges.
 *
 * @module
 */

import {
  formatWords,
  mac,
  readFields,
  readIp,
  u16,
  u32,
  view,
  writeFields,
} from "./_fields.ts";
import { familyName, familyNumber, familyOf } from "./_inet.ts";
import { describeLink } from "./_link_message.ts";
import { creation, deleted } from "./_route_request.ts";
import { parseIp } from "./ip.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";

/** What the kernel holds of a neighbour. */
export type NeighborState =
  | "incomplete"
  | "reachable"
  | "stale"
  | "delay"
  | "probe"
  | "failed"
  | "noarp"
  | "permanent";

/** A neighbour: which hardware address an IP address has. */
export interface NeighborSpec {
  /** The link it is reached by. */
  readonly link: LinkRef;
  /** Its IP address. */
  readonly address: string;
  /** Its hardware address. */
  readonly mac?: string | undefined;
  /**
   * How sure that is.
   *
   * @default {"permanent"}
   */
  readonly state?: NeighborState | undefined;
  /**
   * Whether this host answers for it, instead of knowing where it is.
   *
   * @default {false}
   */
  readonly proxy?: boolean | undefined;
}

/** An entry of the forwarding table of a bridge: behind which port a hardware address is. */
export interface ForwardingSpec {
  /** The port, or the link itself. */
  readonly link: LinkRef;
  /** The hardware address. */
  readonly mac: string;
  /** Of a VXLAN link, the host behind which it is. */
  readonly destination?: string | undefined;
  /** In which VLAN. */
  readonly vlan?: number | undefined;
  /**
   * Whose table it is: of the bridge the link is a port of, or of the link.
   *
   * @default {"master"}
   */
  readonly table?: "master" | "self" | undefined;
}

/** A neighbour or an entry of a forwarding table, as the kernel reports it. */
export interface Neighbor {
  /** Which table it stands in. */
  readonly family: "ipv4" | "ipv6" | "bridge";
  /** The index of the link. */
  readonly link: number;
  /** Its IP address; of a bridge's entry the host behind which it is. */
  readonly address: string | undefined;
  /** Its hardware address. */
  readonly mac: string | undefined;
  /** How sure that is. */
  readonly states: readonly NeighborState[];
  /** Whether this host answers for it. */
  readonly proxy: boolean;
  /** In which VLAN. */
  readonly vlan: number | undefined;
  /** The index of the bridge. */
  readonly master: number | undefined;
}

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
const NDA = { DST: 1, IFINDEX: 8, MASTER: 9 };
const NTF = { SELF: 2, MASTER: 4, PROXY: 8 };
const AF_BRIDGE = 7;
const STATES: Readonly<Record<NeighborState, number>> = {
  incomplete: 1,
  reachable: 2,
  stale: 4,
  delay: 8,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
};

interface Plain {
  readonly mac?: string | undefined;
  readonly vlan?: number | undefined;
  readonly master?: number | undefined;
}

const PLAIN = { mac: mac(2), vlan: u16(5), master: u32(9) };

/** `struct ndmsg` */
function writeHeader(
  writer: MessageWriter,
  { family = 0, index = 0, state = 0, flags = 0 },
): void {
  writer.u8(family).u8(0).u16(0).u32(index).u16(state).u8(flags).u8(0);
}

function writeNeighbor(
  writer: MessageWriter,
  spec: NeighborSpec,
  index: number,
): void {
  const address = parseIp(spec.address);
  writeHeader(writer, {
    family: familyOf(address),
    index,
    state: STATES[spec.state ?? "permanent"],
    flags: spec.proxy ? NTF.PROXY : 0,
  });
  writer.attribute(NDA.DST, address);
  writeFields<Plain>(writer, PLAIN, { mac: spec.mac });
}

function writeForwarding(
  writer: MessageWriter,
  spec: ForwardingSpec,
  index: number,
): void {
  writeHeader(writer, {
    family: AF_BRIDGE,
    index,
    state: STATES.permanent | STATES.noarp,
    flags: spec.table === "self" ? NTF.SELF : NTF.MASTER,
  });
  if (spec.destination !== undefined) {
    writer.attribute(NDA.DST, parseIp(spec.destination));
  }
  writeFields<Plain>(writer, PLAIN, { mac: spec.mac, vlan: spec.vlan });
}

function describe(spec: NeighborSpec | ForwardingSpec): string {
  const what = "address" in spec ? spec.address : spec.mac;
  return `neighbour ${what} on ${describeLink(spec.link)}`;
}

function write(
  writer: MessageWriter,
  spec: NeighborSpec | ForwardingSpec,
  index: number,
): void {
  if ("address" in spec) writeNeighbor(writer, spec, index);
  else writeForwarding(writer, spec, index);
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
    body: (writer, indexOf) => write(writer, spec, indexOf(spec.link)),
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
    body: (writer, indexOf) => write(writer, spec, indexOf(spec.link)),
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
      writeHeader(writer, {
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
