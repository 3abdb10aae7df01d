/**
 * Changing links.
 *
 * @module
 */

import { wordNumber, writeFields } from "./_fields.ts";
import { BRIDGE_PORT, LINK_KINDS } from "./_link_kinds.ts";
import {
  checkLinkName,
  describeLink,
  IFF_UP,
  IFLA,
  isLongName,
  type PlainAttributes,
  RTM,
  writeAddressGeneration,
  writeLinkHeader,
  writePlain,
} from "./_link_message.ts";
import { nothing } from "./_route_request.ts";
import type { LinkRef } from "./link.ts";
import type { BridgeOptions, BridgePortOptions } from "./link_kind.ts";
import type { RouteRequest } from "./route_request.ts";

/** What to change about a link; what is left out stays. */
export interface LinkChange {
  /** Set it up or down. */
  readonly up?: boolean | undefined;
  /** A new name; the link must be down on older kernels. */
  readonly name?: string | undefined;
  /** A new hardware address. */
  readonly address?: string | undefined;
  /** The largest packet in bytes. */
  readonly mtu?: number | undefined;
  /** The bridge, bond or VRF it shall belong to; `null` for none. */
  readonly master?: LinkRef | null | undefined;
  /** A free text; the empty one removes it. */
  readonly alias?: string | undefined;
  /** Its group. */
  readonly group?: number | undefined;
  /** How many packets wait to be sent at most. */
  readonly txQueueLength?: number | undefined;
  /** The largest packet handed to it whole, in bytes. */
  readonly gsoMaxSize?: number | undefined;
  /** How many segments such a packet has at most. */
  readonly gsoMaxSegments?: number | undefined;
  /** The largest packet it merges on receiving, in bytes. */
  readonly groMaxSize?: number | undefined;
  /** Moves it to a namespace; it loses its addresses and is down there. */
  readonly netns?: { readonly fd: number } | undefined;
  /** With `netns`, the index it has there. */
  readonly index?: number | undefined;
  /** Whether it receives what is for others. */
  readonly promiscuous?: boolean | undefined;
  /** Whether it receives all multicast. */
  readonly allMulticast?: boolean | undefined;
  /** How it gives itself an IPv6 address; `"none"` before it is up leaves it without one. */
  readonly ipv6Generation?: "eui64" | "none" | "stable" | "random" | undefined;
  /** Options as a port of a bridge. */
  readonly port?: BridgePortOptions | undefined;
  /** Options of a bridge. */
  readonly bridge?: BridgeOptions | undefined;
}

const IFF_PROMISC = 0x100;
const IFF_ALLMULTI = 0x200;
const GENERATION = { eui64: 0, none: 1, stable: 2, random: 3 };

/**
 * Changes a link.
 *
 * @param link Its index or name.
 * @param change What to change.
 * @returns A request without an answer.
 * @throws {RangeError} If a name has more than 15 bytes, or a number is out of range.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { RouteSocket, setLink } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(setLink("lo", { up: true }));
 * ```
 */
export function setLink(link: LinkRef, change: LinkChange): RouteRequest<void> {
  const { name, master, netns, port, bridge } = change;
  if (name !== undefined) checkLinkName(name);
  // A message has one name: the old one cannot stand in it beside the new one.
  const byName = typeof link === "string" && name === undefined &&
    !isLongName(link);
  const links = byName ? [] : [link];
  return {
    operation: `change ${describeLink(link)}`,
    type: RTM.NEWLINK,
    flags: 0,
    // What leaves its place waits for the packets that are on their way there.
    ...((change.up === false || master !== undefined || netns !== undefined) &&
      { duration: "long" as const }),
    links: master === undefined || master === null ? links : [...links, master],
    body(writer, indexOf) {
      const bits = [
        [IFF_UP, change.up],
        [IFF_PROMISC, change.promiscuous],
        [IFF_ALLMULTI, change.allMulticast],
      ] as const;
      const sum = (wanted: (value: boolean | undefined) => boolean) =>
        bits.reduce((all, [bit, value]) => wanted(value) ? all | bit : all, 0);
      writeLinkHeader(writer, {
        index: byName ? 0 : indexOf(link),
        flags: sum((value) => value === true),
        change: sum((value) => value !== undefined),
      });
      const plain: PlainAttributes = byName
        ? { ...change, name: link }
        : change;
      writePlain(writer, plain);
      if (master !== undefined) {
        writer.attribute32(IFLA.MASTER, master === null ? 0 : indexOf(master));
      }
      if (netns !== undefined) writer.attribute32(IFLA.NET_NS_FD, netns.fd);
      if (change.index !== undefined) {
        writer.attribute32(IFLA.NEW_IFINDEX, change.index);
      }
      if (change.ipv6Generation !== undefined) {
        const mode = wordNumber(GENERATION, change.ipv6Generation);
        writeAddressGeneration(writer, mode);
      }
      if (port !== undefined || bridge !== undefined) {
        writer.nest(IFLA.LINKINFO, () => {
          if (bridge !== undefined) {
            writer.string(1, "bridge");
            writer.nest(
              2,
              () => writeFields<object>(writer, LINK_KINDS.bridge!, bridge),
            );
          }
          if (port !== undefined) {
            writer.string(4, "bridge");
            writer.nest(5, () => writeFields(writer, BRIDGE_PORT, port));
          }
        });
      }
    },
    decode: nothing,
  };
}
