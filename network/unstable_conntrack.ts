/**
 * Flows that connection tracking knows.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import {
  be16,
  be32,
  type Fields,
  ip,
  readFields,
  u8,
  writeFields,
} from "./_fields.ts";
import { deleted } from "./_route_request.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { RouteRequest } from "./route_request.ts";

export type { RouteRequest };

/** One direction of a flow. */
export interface FlowTuple {
  /** Where its packets come from. */
  readonly source: string;
  /** Where they go. */
  readonly destination: string;
  /** The number of the protocol: 6 is TCP, 17 is UDP. */
  readonly protocol: number;
  /** The port they come from. */
  readonly sourcePort: number | undefined;
  /** The port they go to. */
  readonly destinationPort: number | undefined;
  /** What ICMP has instead of ports. */
  readonly icmp?: IcmpTuple | undefined;
}

/** What tells the flows of ICMP from one another. */
export interface IcmpTuple {
  /** Such as 8 for an echo request. */
  readonly type: number;
  /** What further the type says. */
  readonly code: number;
  /** Which program asks. */
  readonly id: number;
}

/** A flow. */
export interface Flow {
  /** The family of its addresses. */
  readonly family: "ipv4" | "ipv6";
  /** As the first packet came. */
  readonly original: FlowTuple;
  /** As the answers come, before they are translated back. */
  readonly reply: FlowTuple;
  /** `IPS_*`: 0x20 has another destination, 0x10 another source. */
  readonly status: number;
  /** When it is forgotten, in seconds. */
  readonly timeout: number | undefined;
  /** Identifies it. */
  readonly id: number | undefined;
}

/** Which flows to list. */
export interface ListFlowsOptions {
  /** The family of their addresses. */
  readonly family: "ipv4" | "ipv6";
  /** Only those of a protocol. */
  readonly protocol?: number | undefined;
  /** Only those whose first packet went to a port; with a protocol. */
  readonly destinationPort?: number | undefined;
}

interface Addresses {
  readonly source4?: string | undefined;
  readonly destination4?: string | undefined;
  readonly source6?: string | undefined;
  readonly destination6?: string | undefined;
}

interface Ports {
  readonly protocol?: number | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
}

const SUBSYSTEM = 1 << 8;
const IPCTNL = { GET: SUBSYSTEM | 1, DELETE: SUBSYSTEM | 2 };
const CTA = {
  TUPLE_ORIG: 1,
  TUPLE_REPLY: 2,
  FILTER: 25,
};
const FAMILIES = { ipv4: 2, ipv6: 10 };
const FILTER_PROTOCOL = 1 << 3;
const FILTER_DESTINATION_PORT = 1 << 5;
const ADDRESSES: Fields<Addresses> = {
  source4: ip(1),
  destination4: ip(2),
  source6: ip(3),
  destination6: ip(4),
};
const PORTS: Fields<Ports> = {
  protocol: u8(1),
  sourcePort: be16(2),
  destinationPort: be16(3),
};
/** The same of ICMP and of ICMPv6. */
const ICMP: Readonly<Record<Flow["family"], Fields<IcmpTuple>>> = {
  ipv4: { id: be16(4), type: u8(5), code: u8(6) },
  ipv6: { id: be16(7), type: u8(8), code: u8(9) },
};
const REST = { status: be32(3), timeout: be32(7), id: be32(12) };

function writeHeader(writer: MessageWriter, family: "ipv4" | "ipv6"): void {
  writer.u8(FAMILIES[family]).u8(0).be16(0);
}

function writeTuple(writer: MessageWriter, flow: Flow): void {
  const { source, destination, icmp, ...ports } = flow.original;
  const addresses: Addresses = flow.family === "ipv4"
    ? { source4: source, destination4: destination }
    : { source6: source, destination6: destination };
  writer.nest(CTA.TUPLE_ORIG, () => {
    writer.nest(1, () => writeFields(writer, ADDRESSES, addresses));
    writer.nest(2, () => {
      writeFields(writer, PORTS, ports);
      if (icmp !== undefined) writeFields(writer, ICMP[flow.family], icmp);
    });
  });
}

/**
 * Lists flows. Sent by `NftSocket`.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param options Which ones.
 * @returns A request that gives the flows.
 *
 * @example Usage
 * ```ts ignore
 * import { NftSocket } from "@containerkit/network";
 * import { listFlows } from "@containerkit/network/unstable-conntrack";
 *
 * using nft = new NftSocket();
 * console.log(await nft.request(listFlows({ family: "ipv4" })));
 * ```
 */
export function listFlows(options: ListFlowsOptions): RouteRequest<Flow[]> {
  const { family, protocol, destinationPort } = options;
  const flags = (protocol === undefined ? 0 : FILTER_PROTOCOL) |
    (destinationPort === undefined ? 0 : FILTER_DESTINATION_PORT);
  return {
    operation: "list flows",
    type: IPCTNL.GET,
    flags: 0,
    dump: true,
    body(writer) {
      writeHeader(writer, family);
      if (flags === 0) return;
      writer.nest(CTA.TUPLE_ORIG, () => {
        writer.nest(
          2,
          () => writeFields(writer, PORTS, { protocol, destinationPort }),
        );
      });
      writer.nest(CTA.FILTER, () => {
        writer.attribute32(1, flags);
        writer.attribute32(2, 0);
      });
    },
    decode: (messages) =>
      messages.map(({ payload }) => parseFlow(payload)).filter(({ original }) =>
        // A kernel that does not know the filter lists everything.
        (protocol === undefined || original.protocol === protocol) &&
        (destinationPort === undefined ||
          original.destinationPort === destinationPort)
      ),
  };
}

/**
 * Forgets a flow: its next packet is looked at anew. Sent by `NftSocket`.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param flow The flow, as listed.
 * @returns A request that tells whether it was still there.
 *
 * @example Usage
 * ```ts ignore
 * import { NftSocket } from "@containerkit/network";
 * import { deleteFlow, listFlows } from "@containerkit/network/unstable-conntrack";
 *
 * using nft = new NftSocket();
 * for (const flow of await nft.request(listFlows({ family: "ipv4" }))) {
 *   await nft.request(deleteFlow(flow));
 * }
 * ```
 */
export function deleteFlow(flow: Flow): RouteRequest<boolean> {
  const { id } = flow;
  return {
    operation: `delete the flow to ${flow.original.destination}`,
    type: IPCTNL.DELETE,
    flags: 0,
    body(writer) {
      writeHeader(writer, flow.family);
      writeTuple(writer, flow);
      // So that it is this flow, not a later one of the same ends.
      if (id !== undefined) writer.attributeBe32(12, id);
    },
    ...deleted(["ENOENT"]),
  };
}

function parseTuple(
  data: Uint8Array<ArrayBuffer> | undefined,
  family: Flow["family"],
): FlowTuple {
  const nests = parseAttributes(data ?? new Uint8Array());
  const [addressData, portData] = [nests.get(1), nests.get(2)];
  if (addressData === undefined || portData === undefined) {
    throw new SyntaxError("Cannot parse a flow: a direction is missing");
  }
  const addresses = readFields(ADDRESSES, parseAttributes(addressData));
  const portAttributes = parseAttributes(portData);
  const ports = readFields(PORTS, portAttributes);
  const { type, code, id } = readFields(ICMP[family], portAttributes);
  const isIcmp = type !== undefined && code !== undefined && id !== undefined;
  return {
    source: addresses.source4 ?? addresses.source6 ?? "",
    destination: addresses.destination4 ?? addresses.destination6 ?? "",
    protocol: ports.protocol ?? 0,
    sourcePort: ports.sourcePort,
    destinationPort: ports.destinationPort,
    ...(isIcmp && { icmp: { type, code, id } }),
  };
}

/**
 * Reads a flow from the payload of a message of connection tracking.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param payload What follows the netlink header.
 * @returns The flow.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { parseFlow } from "@containerkit/network/unstable-conntrack";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => parseFlow(new Uint8Array(4)), SyntaxError);
 * ```
 */
export function parseFlow(payload: Uint8Array<ArrayBuffer>): Flow {
  const attributes = parseAttributes(payload, 4);
  const rest = readFields<{ status: number; timeout: number; id: number }>(
    REST,
    attributes,
  );
  const family = payload[0] === FAMILIES.ipv6 ? "ipv6" : "ipv4";
  return {
    family,
    original: parseTuple(attributes.get(CTA.TUPLE_ORIG), family),
    reply: parseTuple(attributes.get(CTA.TUPLE_REPLY), family),
    status: rest.status ?? 0,
    timeout: rest.timeout,
    id: rest.id,
  };
}
