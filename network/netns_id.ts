/**
 * Numbers by which one namespace knows others.
 *
 * @module
 */

import { i32 } from "./_fields.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { RouteRequest } from "./route_request.ts";

const RTM = { NEWNSID: 88, GETNSID: 90 };
const NETNSA_NSID = i32(1);
const NETNSA_FD = 3;
const NONE = -1;

/**
 * Asks by which number the namespace of the socket knows another one: what
 * `Link.parentNetns` gives.
 *
 * @param netns The other namespace.
 * @returns A request that gives the number, or `undefined` if it has none.
 *
 * @example Usage
 * ```ts ignore
 * import { getNetNsId, NetNs, RouteSocket } from "@containerkit/network";
 *
 * using netns = NetNs.open("/run/netns/blue");
 * using route = new RouteSocket();
 * console.log(await route.request(getNetNsId(netns)));
 * ```
 */
export function getNetNsId(
  netns: { readonly fd: number },
): RouteRequest<number | undefined> {
  return {
    operation: "look up the number of a network namespace",
    type: RTM.GETNSID,
    flags: 0,
    body: (writer) => void writer.u32(0).attribute32(NETNSA_FD, netns.fd),
    decode(messages) {
      const data = parseAttributes(messages[0]!.payload, 4).get(1);
      const id = data === undefined ? NONE : NETNSA_NSID.read(data);
      return id === NONE ? undefined : id;
    },
  };
}

/**
 * Gives another namespace a number in the namespace of the socket. The kernel
 * does so by itself when a link gets its other end there.
 *
 * @param netns The other namespace.
 * @param id The number; without it the first free one.
 * @returns A request without an answer.
 *
 * @example Usage
 * ```ts ignore
 * import { NetNs, RouteSocket, setNetNsId } from "@containerkit/network";
 *
 * using netns = NetNs.open("/run/netns/blue");
 * using route = new RouteSocket();
 * await route.request(setNetNsId(netns, 7));
 * ```
 */
export function setNetNsId(
  netns: { readonly fd: number },
  id: number = NONE,
): RouteRequest<void> {
  return {
    operation: `number a network namespace ${id}`,
    type: RTM.NEWNSID,
    flags: 0,
    body(writer) {
      writer.u32(0);
      NETNSA_NSID.write(writer, id);
      writer.attribute32(NETNSA_FD, netns.fd);
    },
    decode() {},
  };
}
