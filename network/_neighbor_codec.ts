/** A neighbour, or an entry of a forwarding table, as the kernel takes it. */
import { mac, u16, u32, writeFields } from "./_fields.ts";
import { familyOf } from "./_inet.ts";
import { parseIp } from "./ip.ts";
import type { MessageWriter } from "./message_writer.ts";
import type {
  ForwardingSpec,
  NeighborSpec,
  NeighborState,
} from "./neighbor_spec.ts";

/** Attributes of a neighbour. */
export const NDA = { DST: 1, IFINDEX: 8, MASTER: 9 };
/** Flags of a neighbour. */
export const NTF = { SELF: 2, MASTER: 4, PROXY: 8 };
/** The family of forwarding tables. */
export const AF_BRIDGE = 7;
/** `NUD_*` */
export const STATES: Readonly<Record<NeighborState, number>> = {
  incomplete: 1,
  reachable: 2,
  stale: 4,
  delay: 8,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
};

/** Attributes that are written as they are read. */
export interface Plain {
  readonly mac?: string | undefined;
  readonly vlan?: number | undefined;
  readonly master?: number | undefined;
}

/** How each of them is written and read. */
export const PLAIN = { mac: mac(2), vlan: u16(5), master: u32(9) };

/** `struct ndmsg` */
export function writeNeighborHeader(
  writer: MessageWriter,
  { family = 0, index = 0, state = 0, flags = 0 },
): void {
  writer.u8(family).u8(0).u16(0).u32(index).u16(state).u8(flags).u8(0);
}

function writeIpNeighbor(
  writer: MessageWriter,
  spec: NeighborSpec,
  index: number,
): void {
  const address = parseIp(spec.address);
  writeNeighborHeader(writer, {
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
  const isOwn = spec.table === "self";
  writeNeighborHeader(writer, {
    family: AF_BRIDGE,
    index,
    // In a bridge's, `permanent` would be an address of the bridge itself.
    state: isOwn ? STATES.permanent | STATES.noarp : STATES.noarp,
    flags: isOwn ? NTF.SELF : NTF.MASTER,
  });
  if (spec.destination !== undefined) {
    writer.attribute(NDA.DST, parseIp(spec.destination));
  }
  writeFields<Plain>(writer, PLAIN, { mac: spec.mac, vlan: spec.vlan });
}

/** Writes either of them. */
export function writeNeighbor(
  writer: MessageWriter,
  spec: NeighborSpec | ForwardingSpec,
  index: number,
): void {
  if ("address" in spec) writeIpNeighbor(writer, spec, index);
  else writeForwarding(writer, spec, index);
}
