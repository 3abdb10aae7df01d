/**
 * Looking at one link.
 *
 * @module
 */

import { describeLink, RTM, writeLinkRef } from "./_link_message.ts";
import { type Link, type LinkRef, parseLink } from "./link.ts";
import type { RouteRequest } from "./route_request.ts";

/**
 * Looks at a link.
 *
 * @param link Its index, its name or one of its further names.
 * @returns A request that gives the link, or `undefined` if there is none.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { getLink, RouteSocket } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * using route = new RouteSocket();
 * assertEquals((await route.request(getLink("lo")))?.index, 1);
 * ```
 */
export function getLink(link: LinkRef): RouteRequest<Link | undefined> {
  return {
    operation: `look up ${describeLink(link)}`,
    type: RTM.GETLINK,
    flags: 0,
    body: (writer) => writeLinkRef(writer, link),
    decode(messages) {
      return parseLink(messages[0]!.payload);
    },
    recover(error) {
      if (error.code === "ENODEV") return undefined;
      throw error;
    },
  };
}
