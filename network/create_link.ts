/**
 * Making links.
 *
 * @module
 */

import { writeFields } from "./_fields.ts";
import { LINK_KINDS, PEER_TYPES } from "./_link_kinds.ts";
import {
  checkLinkName,
  IFF_UP,
  IFLA,
  RTM,
  writeLinkHeader,
  writePlain,
} from "./_link_message.ts";
import { creation } from "./_route_request.ts";
import { getLink } from "./get_link.ts";
import { type Link, type LinkRef, parseLink } from "./link.ts";
import type {
  BridgeOptions,
  GeneveOptions,
  IpvlanOptions,
  MacvlanOptions,
  NetkitOptions,
  VlanOptions,
  VrfOptions,
  VxlanOptions,
} from "./link_kind.ts";
import type { MessageWriter } from "./message_writer.ts";
import { getNetNsId, setNetNsId } from "./netns_id.ts";
import type { RouteRequest } from "./route_request.ts";

/** What any link can be given at birth, in the message that makes it. */
export interface LinkAttributes {
  /**
   * Its name, up to 15 bytes; `%d` in it becomes the first free number.
   *
   * @default {the kernel chooses}
   */
  readonly name?: string | undefined;
  /** Its hardware address. */
  readonly address?: string | undefined;
  /** The largest packet in bytes. */
  readonly mtu?: number | undefined;
  /** The bridge, bond or VRF it belongs to. */
  readonly master?: LinkRef | undefined;
  /** Its group, for acting on many at once. */
  readonly group?: number | undefined;
  /** How many packets wait to be sent at most. */
  readonly txQueueLength?: number | undefined;
  /** How many queues it sends through. */
  readonly txQueues?: number | undefined;
  /** How many queues it receives through. */
  readonly rxQueues?: number | undefined;
  /** The largest packet handed to it whole, in bytes. */
  readonly gsoMaxSize?: number | undefined;
  /** How many segments such a packet has at most. */
  readonly gsoMaxSegments?: number | undefined;
  /** The largest packet it merges on receiving, in bytes. */
  readonly groMaxSize?: number | undefined;
  /** The namespace it is born in; needs a `name`, and the namespace gets a number in that of the socket. */
  readonly netns?: { readonly fd: number } | undefined;
  /** Whether it is up from the start. */
  readonly up?: boolean | undefined;
}

/** The other end of a pair. The kernel refuses to make it up from the start. */
export interface LinkPeer {
  /** Its name, up to 15 bytes. */
  readonly name?: string | undefined;
  /** The namespace it is born in. */
  readonly netns?: { readonly fd: number } | undefined;
  /** Its hardware address. */
  readonly address?: string | undefined;
  /** The largest packet in bytes. */
  readonly mtu?: number | undefined;
}

/** A pair of links: what goes into one comes out of the other, see veth(4). */
export interface VethSpec extends LinkAttributes {
  /** Which kind. */
  readonly kind: "veth";
  /** The other end. */
  readonly peer?: LinkPeer | undefined;
}

/** A pair whose packets BPF programs forward; Linux 6.7. */
export interface NetkitSpec extends LinkAttributes, NetkitOptions {
  /** Which kind. */
  readonly kind: "netkit";
  /** The other end. */
  readonly peer?: LinkPeer | undefined;
}

/** A switch. */
export interface BridgeSpec extends LinkAttributes, BridgeOptions {
  /** Which kind. */
  readonly kind: "bridge";
}

/** A link with an address of its own on the wire of another. */
export interface MacvlanSpec extends LinkAttributes, MacvlanOptions {
  /** Which kind; macvtap hands its packets to a file. */
  readonly kind: "macvlan" | "macvtap";
  /** The link whose wire it shares, in the namespace of the socket. */
  readonly parent: LinkRef;
}

/** A link with the hardware address of another. */
export interface IpvlanSpec extends LinkAttributes, IpvlanOptions {
  /** Which kind. */
  readonly kind: "ipvlan";
  /** The link whose wire it shares, in the namespace of the socket. */
  readonly parent: LinkRef;
}

/** What carries one tag on the wire of another link. */
export interface VlanSpec extends LinkAttributes, VlanOptions {
  /** Which kind. */
  readonly kind: "vlan";
  /** The link whose wire it shares, in the namespace of the socket. */
  readonly parent: LinkRef;
}

/** A tunnel of Ethernet in UDP. */
export interface VxlanSpec extends LinkAttributes, VxlanOptions {
  /** Which kind. */
  readonly kind: "vxlan";
}

/** A tunnel of Ethernet in UDP with options. */
export interface GeneveSpec extends LinkAttributes, GeneveOptions {
  /** Which kind. */
  readonly kind: "geneve";
}

/** A routing domain. */
export interface VrfSpec extends LinkAttributes, VrfOptions {
  /** Which kind. */
  readonly kind: "vrf";
}

/** A link without options. */
export interface PlainLinkSpec extends LinkAttributes {
  /** Which kind; `ifb` hands what it receives to a queue. */
  readonly kind: "dummy" | "ifb";
}

/** Any other kind the kernel has, with its options as the kernel reads them. */
export interface OtherLinkSpec extends LinkAttributes {
  /** Which kind. */
  readonly kind: string & Record<never, never>;
  /** The link it belongs to, in the namespace of the socket. */
  readonly parent?: LinkRef | undefined;
  /** What goes into `IFLA_INFO_DATA`. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A link to make. */
export type LinkSpec =
  | VethSpec
  | NetkitSpec
  | BridgeSpec
  | MacvlanSpec
  | IpvlanSpec
  | VlanSpec
  | VxlanSpec
  | GeneveSpec
  | VrfSpec
  | PlainLinkSpec
  | OtherLinkSpec;

const CREATE_EXCL_ECHO = 0x400 | 0x200 | 0x8;

function writePeer(writer: MessageWriter, peer: LinkPeer): void {
  writeLinkHeader(writer);
  writePlain(writer, peer);
  if (peer.netns !== undefined) {
    writer.attribute32(IFLA.NET_NS_FD, peer.netns.fd);
  }
}

function writeData(writer: MessageWriter, spec: LinkSpec): void {
  const peerType = PEER_TYPES[spec.kind];
  if (peerType !== undefined && "peer" in spec && spec.peer) {
    const { peer } = spec;
    writer.nest(peerType, () => writePeer(writer, peer));
  }
  if ("data" in spec) writer.raw(spec.data);
  else if (Object.hasOwn(LINK_KINDS, spec.kind)) {
    writeFields<object>(writer, LINK_KINDS[spec.kind]!, spec);
  }
}

/** Whether the kernel takes a name as it is. */
function isWhole(name: string | undefined): name is string {
  return name !== undefined && !name.includes("%");
}

/** What is made in another namespace is echoed only there; before Linux 6.2 nothing is. */
function* findLink(
  name: string,
  netns: { readonly fd: number } | undefined,
): Generator<RouteRequest<unknown>, Link, unknown> {
  const lookup = getLink(name);
  if (netns === undefined) return (yield lookup) as Link;
  if ((yield getNetNsId(netns)) === undefined) {
    // Somebody may number it meanwhile.
    yield { ...setNetNsId(netns), ...creation("ignore"), flags: 0 };
  }
  const id = (yield getNetNsId(netns)) as number;
  return (yield {
    ...lookup,
    body(writer, indexOf) {
      lookup.body(writer, indexOf);
      writer.attribute32(IFLA.TARGET_NETNSID, id);
    },
  }) as Link;
}

/**
 * Makes a link, with everything it can be given at birth: nobody ever sees it
 * without, and no other program gets to rename it in between. An alias and the
 * options of a bridge port are not among that; a `setLink()` by name in the
 * same batch comes as close as can be.
 *
 * @param spec The link.
 * @returns A request that gives the link; of a pair, `parent` is the index of the other end.
 * @throws {TypeError} If it shall be born in another namespace and has no name, or one with `%`.
 * @throws {RangeError} If a name has more than 15 bytes, or a number is out of range.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { createLink, NetNs, RouteSocket } from "@containerkit/network";
 *
 * using netns = NetNs.create();
 * using route = new RouteSocket();
 * const link = await route.request(createLink({
 *   kind: "veth",
 *   name: "blue0",
 *   up: true,
 *   peer: { name: "eth0", netns },
 * }));
 * console.log(link.index, link.parent);
 * ```
 */
export function createLink(spec: LinkSpec): RouteRequest<Link> {
  const { name, master, netns } = spec;
  if (name !== undefined) checkLinkName(name);
  if (netns !== undefined && !isWhole(name)) {
    throw new TypeError(
      `Cannot create a ${spec.kind} link in another namespace without a name: the kernel tells only there which it chose`,
    );
  }
  const parent = "parent" in spec ? spec.parent : undefined;
  return {
    operation: `create ${spec.kind} link${
      name === undefined ? "" : ` "${name}"`
    }`,
    type: RTM.NEWLINK,
    flags: CREATE_EXCL_ECHO,
    links: [master, parent].filter((link) => link !== undefined),
    body(writer, indexOf) {
      const flags = spec.up ? IFF_UP : 0;
      writeLinkHeader(writer, { flags, change: flags });
      writePlain(writer, spec);
      if (parent !== undefined) writer.attribute32(IFLA.LINK, indexOf(parent));
      if (master !== undefined) {
        writer.attribute32(IFLA.MASTER, indexOf(master));
      }
      if (netns !== undefined) writer.attribute32(IFLA.NET_NS_FD, netns.fd);
      writer.nest(IFLA.LINKINFO, () => {
        writer.string(1, spec.kind);
        writer.nest(2, () => writeData(writer, spec));
      });
    },
    decode(messages) {
      return parseLink(messages[0]!.payload);
    },
    ...(isWhole(name) && { fallback: () => findLink(name, netns) }),
  };
}
