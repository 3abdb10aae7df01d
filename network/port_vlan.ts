/**
 * VLANs of the ports of bridges.
 *
 * @module
 */

import { readText, view } from "./_fields.ts";
import { describeLink, IFLA, RTM, writeLinkHeader } from "./_link_message.ts";
import { deleted, nothing } from "./_route_request.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { listAttributes, parseAttributes } from "./parse_attributes.ts";
import type { RouteRequest } from "./route_request.ts";

/** A VLAN, or a range of them, that a port carries; see bridge(8). */
export interface PortVlan {
  /** 1 to 4094. */
  readonly id: number;
  /**
   * The last of a range.
   *
   * @default {id}
   */
  readonly end?: number | undefined;
  /**
   * Whether frames without a tag that come in belong to it.
   *
   * @default {false}
   */
  readonly pvid?: boolean | undefined;
  /**
   * Whether frames go out without a tag.
   *
   * @default {false}
   */
  readonly untagged?: boolean | undefined;
}

/** The VLANs of a port, as the kernel reports them. */
export interface PortVlans {
  /** The index of the port. */
  readonly link: number;
  /** Its name. */
  readonly name: string;
  /** Its VLANs. */
  readonly vlans: readonly PortVlan[];
}

const SETLINK = 19;
const AF_BRIDGE = 7;
const BRIDGE_VLAN_INFO = 2;
const BRIDGE_FLAGS = 0;
const BRIDGE_FLAGS_SELF = 2;
const FILTER_BRVLAN_COMPRESSED = 4;
const FLAG = { PVID: 2, UNTAGGED: 4, RANGE_BEGIN: 8, RANGE_END: 16 };

function check(vlan: PortVlan): void {
  const { id, end = id, pvid } = vlan;
  for (const number of [id, end]) {
    if (!Number.isInteger(number) || number < 1 || number > 4094) {
      throw new RangeError(
        `Cannot use VLAN ${number}: expected an integer from 1 to 4094`,
      );
    }
  }
  if (end < id) throw new RangeError(`Cannot use VLANs ${id} to ${end}`);
  if (pvid && end !== id) {
    throw new TypeError("Cannot take frames without a tag into several VLANs");
  }
}

/** `struct bridge_vlan_info { u16 flags, u16 vid }` */
function writeVlan(
  writer: MessageWriter,
  vlan: PortVlan,
  options: PortVlanOptions & { readonly index: number },
): void {
  const { id, end = id } = vlan;
  const flags = (vlan.pvid ? FLAG.PVID : 0) |
    (vlan.untagged ? FLAG.UNTAGGED : 0);
  const info = (flags: number, id: number) =>
    writer.attribute(
      BRIDGE_VLAN_INFO,
      new Uint8Array(Uint16Array.of(flags, id).buffer),
    );
  writeLinkHeader(writer, { family: AF_BRIDGE, index: options.index });
  writer.nest(IFLA.AF_SPEC, () => {
    if (options.self) writer.attribute16(BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
    if (end === id) {
      info(flags, id);
      return;
    }
    info(flags | FLAG.RANGE_BEGIN, id);
    info(flags | FLAG.RANGE_END, end);
  });
}

/** Options of {@linkcode addPortVlan} and {@linkcode deletePortVlan}. */
export interface PortVlanOptions {
  /**
   * Whether the link is the bridge itself.
   *
   * @default {false}
   */
  readonly self?: boolean | undefined;
}

/**
 * Lets a port carry a VLAN. Its bridge must have `vlanFiltering`.
 *
 * @param link The port.
 * @param vlan The VLAN.
 * @param options Whether the port is the bridge itself.
 * @returns A request without an answer.
 * @throws {RangeError} If there is no such VLAN.
 *
 * @example Usage
 * ```ts ignore
 * import { addPortVlan, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addPortVlan("veth0", { id: 10, pvid: true, untagged: true }));
 * ```
 */
export function addPortVlan(
  link: LinkRef,
  vlan: PortVlan,
  options: PortVlanOptions = {},
): RouteRequest<void> {
  check(vlan);
  return {
    operation: `add VLAN ${vlan.id} to ${describeLink(link)}`,
    type: SETLINK,
    flags: 0,
    links: [link],
    body: (writer, indexOf) =>
      writeVlan(writer, vlan, { ...options, index: indexOf(link) }),
    decode: nothing,
  };
}

/**
 * Takes a VLAN from a port.
 *
 * @param link The port.
 * @param vlan The VLAN.
 * @param options Whether the port is the bridge itself.
 * @returns A request that tells whether the port had it.
 * @throws {RangeError} If there is no such VLAN.
 *
 * @example Usage
 * ```ts ignore
 * import { deletePortVlan, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deletePortVlan("veth0", { id: 10 }));
 * ```
 */
export function deletePortVlan(
  link: LinkRef,
  vlan: PortVlan,
  options: PortVlanOptions = {},
): RouteRequest<boolean> {
  check(vlan);
  return {
    operation: `delete VLAN ${vlan.id} from ${describeLink(link)}`,
    type: RTM.DELLINK,
    flags: 0,
    links: [link],
    body: (writer, indexOf) =>
      writeVlan(writer, vlan, { ...options, index: indexOf(link) }),
    ...deleted(["ENOENT"]),
  };
}

/**
 * Lists the VLANs of all ports.
 *
 * @returns A request that gives the ports.
 *
 * @example Usage
 * ```ts ignore
 * import { listPortVlans, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * console.log(await route.request(listPortVlans()));
 * ```
 */
export function listPortVlans(): RouteRequest<PortVlans[]> {
  return {
    operation: "list the VLANs of ports",
    type: RTM.GETLINK,
    flags: 0,
    dump: true,
    body(writer) {
      writeLinkHeader(writer, { family: AF_BRIDGE });
      writer.attribute32(IFLA.EXT_MASK, FILTER_BRVLAN_COMPRESSED);
    },
    decode: (messages) =>
      messages.map(({ payload }) => parsePortVlans(payload)),
  };
}

/**
 * Reads the VLANs of a port from the payload of an `RTM_NEWLINK` message of the bridge family.
 *
 * @param payload What follows the netlink header.
 * @returns The port.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { parsePortVlans } from "@containerkit/network";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => parsePortVlans(new Uint8Array(4)), SyntaxError);
 * ```
 */
export function parsePortVlans(payload: Uint8Array<ArrayBuffer>): PortVlans {
  const header = view(payload, 16);
  const attributes = parseAttributes(payload, 16);
  const vlans: PortVlan[] = [];
  const nest = attributes.get(IFLA.AF_SPEC) ?? new Uint8Array();
  for (const { type, data } of listAttributes(nest)) {
    if (type !== BRIDGE_VLAN_INFO) continue;
    const info = view(data, 4);
    const flags = info.getUint16(0, true);
    const id = info.getUint16(2, true);
    const first = vlans.at(-1);
    if (flags & FLAG.RANGE_END && first !== undefined) {
      vlans[vlans.length - 1] = { ...first, end: id };
      continue;
    }
    vlans.push({
      id,
      pvid: (flags & FLAG.PVID) !== 0,
      untagged: (flags & FLAG.UNTAGGED) !== 0,
    });
  }
  return {
    link: header.getInt32(4, true),
    name: readText(attributes.get(IFLA.IFNAME) ?? new Uint8Array()),
    vlans,
  };
}
