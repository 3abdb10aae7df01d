/**
 * IP addresses of links.
 *
 * @module
 */

import {
  type Fields,
  numberWord,
  readFields,
  readIp,
  text,
  u32,
  u8,
  view,
  wordNumber,
  writeFields,
} from "./_fields.ts";
import { familyNumber, familyOf, SCOPES } from "./_inet.ts";
import { describeLink } from "./_link_message.ts";
import { creation, deleted } from "./_route_request.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import { parseIp } from "./ip.ts";
import { type IpPrefix, parsePrefix } from "./prefix.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";

/** How far an address or a route reaches. */
export type Scope = "universe" | "site" | "link" | "host" | "nowhere";

/** An address of a link. */
export interface Address {
  /** The index of the link. */
  readonly link: number;
  /** The address with its prefix length. */
  readonly address: string;
  /** The address of the other end, on links with two ends. */
  readonly peer: string | undefined;
  /** Where broadcasts go. */
  readonly broadcast: string | undefined;
  /** A name for old tools. */
  readonly label: string | undefined;
  /** How far it reaches. */
  readonly scope: Scope;
  /** `IFA_F_*`, see rtnetlink(7). */
  readonly flags: number;
  /** Whether the kernel still asks if somebody else has it. */
  readonly tentative: boolean;
}

/** Options of {@linkcode addAddress}. */
export interface AddressOptions {
  /** The address of the other end. */
  readonly peer?: string | undefined;
  /** Where broadcasts go; the kernel sets none by itself. */
  readonly broadcast?: string | undefined;
  /** A name for old tools; must start with the name of the link. */
  readonly label?: string | undefined;
  /**
   * How far it reaches.
   *
   * @default {"universe"}
   */
  readonly scope?: Scope | undefined;
  /**
   * Whether the kernel asks first if somebody else has the IPv6 address, which takes up to two seconds.
   *
   * @default {false}
   */
  readonly duplicateDetection?: boolean | undefined;
  /**
   * Whether the network of the address gets a route.
   *
   * @default {true}
   */
  readonly prefixRoute?: boolean | undefined;
  /** The priority of that route; lower wins. */
  readonly metric?: number | undefined;
  /** Who set it, as a number that means something to the caller. */
  readonly protocol?: number | undefined;
  /**
   * What to do if the link has it already.
   *
   * @default {"error"}
   */
  readonly ifExists?: IfExists | undefined;
}

/** Options of {@linkcode deleteAddress}. */
export interface DeleteAddressOptions {
  /** The address of the other end, if it was given one; the kernel compares it for IPv4. */
  readonly peer?: string | undefined;
}

/** Which addresses to list. */
export interface ListAddressesOptions {
  /** Only those of a link. */
  readonly link?: LinkRef | undefined;
  /** Only those of a family. */
  readonly family?: "ipv4" | "ipv6" | undefined;
}

const RTM = { NEWADDR: 20, DELADDR: 21, GETADDR: 22 };
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 };
const NODAD = 2;
const TENTATIVE = 0x40;
const NOPREFIXROUTE = 0x200;

interface Plain {
  readonly label?: string | undefined;
  readonly metric?: number | undefined;
  readonly protocol?: number | undefined;
}

const PLAIN: Fields<Plain> = {
  label: text(3),
  metric: u32(9),
  protocol: u8(11),
};

/** `struct ifaddrmsg` and what names the address. */
function writeAddress(
  writer: MessageWriter,
  prefix: IpPrefix,
  { index, scope = 0, peer }: {
    index: number;
    scope?: number;
    peer?: Uint8Array;
  },
): void {
  writer.u8(familyOf(prefix.address)).u8(prefix.length).u8(0).u8(scope);
  writer.u32(index);
  writer.attribute(IFA.LOCAL, prefix.address);
  writer.attribute(IFA.ADDRESS, peer ?? prefix.address);
}

/**
 * Gives a link an address.
 *
 * @param link Its index or name.
 * @param address The address with its prefix length, such as `10.0.0.2/24`.
 * @param options What else holds for it.
 * @returns A request without an answer.
 * @throws {SyntaxError} If it is no address.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { addAddress, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addAddress("eth0", "10.0.0.2/24"));
 * ```
 */
export function addAddress(
  link: LinkRef,
  address: string,
  options: AddressOptions = {},
): RouteRequest<void> {
  const prefix = parsePrefix(address);
  const { peer, broadcast, scope = "universe" } = options;
  const flags = (options.duplicateDetection ? 0 : NODAD) |
    (options.prefixRoute ?? true ? 0 : NOPREFIXROUTE);
  return {
    operation: `add address ${address} to ${describeLink(link)}`,
    type: RTM.NEWADDR,
    links: [link],
    body(writer, indexOf) {
      writeAddress(writer, prefix, {
        index: indexOf(link),
        scope: wordNumber(SCOPES, scope),
        ...(peer !== undefined && { peer: parseIp(peer) }),
      });
      if (broadcast !== undefined) {
        writer.attribute(IFA.BROADCAST, parseIp(broadcast));
      }
      writer.attribute32(IFA.FLAGS, flags);
      const { label, metric, protocol } = options;
      writeFields(writer, PLAIN, { label, metric, protocol });
    },
    ...creation(options.ifExists),
  };
}

/**
 * Takes an address from a link.
 *
 * @param link Its index or name.
 * @param address The address with its prefix length.
 * @param options What else it was given with.
 * @returns A request that tells whether the link had it.
 * @throws {SyntaxError} If it is no address.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { deleteAddress, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteAddress("eth0", "10.0.0.2/24"));
 * ```
 */
export function deleteAddress(
  link: LinkRef,
  address: string,
  options: DeleteAddressOptions = {},
): RouteRequest<boolean> {
  const prefix = parsePrefix(address);
  const { peer } = options;
  return {
    operation: `delete address ${address} from ${describeLink(link)}`,
    type: RTM.DELADDR,
    flags: 0,
    links: [link],
    body(writer, indexOf) {
      writeAddress(writer, prefix, {
        index: indexOf(link),
        ...(peer !== undefined && { peer: parseIp(peer) }),
      });
    },
    ...deleted(["EADDRNOTAVAIL"]),
  };
}

/**
 * Lists addresses.
 *
 * @param options Which ones.
 * @returns A request that gives the addresses.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { listAddresses, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const addresses = await route.request(listAddresses({ family: "ipv4" }));
 * assert(addresses.every(({ address }) => address.includes("/")));
 * ```
 */
export function listAddresses(
  options: ListAddressesOptions = {},
): RouteRequest<Address[]> {
  const { link, family } = options;
  return {
    operation: "list addresses",
    type: RTM.GETADDR,
    flags: 0,
    dump: true,
    ...(link !== undefined && { links: [link] }),
    body(writer, indexOf) {
      writer.u8(familyNumber(family)).u8(0).u8(0).u8(0);
      writer.u32(link === undefined ? 0 : indexOf(link));
    },
    decode: (messages) => messages.map(({ payload }) => parseAddress(payload)),
  };
}

/**
 * Reads an address from the payload of an `RTM_NEWADDR` or `RTM_DELADDR` message.
 *
 * @param payload What follows the netlink header.
 * @returns The address.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseAddress } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.u8(2).u8(24).u8(0x80).u8(0).u32(7);
 * writer.attribute(2, new Uint8Array([10, 0, 0, 2]));
 * assertEquals(parseAddress(writer.bytes).address, "10.0.0.2/24");
 * ```
 */
export function parseAddress(payload: Uint8Array<ArrayBuffer>): Address {
  const header = view(payload, 8);
  const attributes = parseAttributes(payload, 8);
  const [far, near, broadcast, flagData] = [
    IFA.ADDRESS,
    IFA.LOCAL,
    IFA.BROADCAST,
    IFA.FLAGS,
  ].map((type) => attributes.get(type));
  const address = near ?? far;
  if (address === undefined) {
    throw new SyntaxError("Cannot parse an address message: it has none");
  }
  const local = readIp(address);
  const peer = far && readIp(far);
  const flags = flagData
    ? view(flagData, 4).getUint32(0, true)
    : header.getUint8(2);
  return {
    link: header.getUint32(4, true),
    address: `${local}/${header.getUint8(1)}`,
    peer: peer === local ? undefined : peer,
    broadcast: broadcast && readIp(broadcast),
    label: readFields(PLAIN, attributes).label,
    scope: numberWord(SCOPES, header.getUint8(3)),
    flags,
    tentative: (flags & TENTATIVE) !== 0,
  };
}
