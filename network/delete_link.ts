/**
 * Deleting links.
 *
 * @module
 */

import {
  describeLink,
  IFLA,
  RTM,
  writeLinkHeader,
  writeLinkRef,
} from "./_link_message.ts";
import { deleted } from "./_route_request.ts";
import type { LinkRef } from "./link.ts";
import type { RouteRequest } from "./route_request.ts";

/**
 * Deletes a link, or all links of a group in one go. Of a pair the other end
 * goes too.
 *
 * The kernel takes 10 to 25 ms for it, however many they are. Where the
 * namespace goes anyway, removing that is quicker.
 *
 * @param link Its index or name, or a group.
 * @returns A request that tells whether there was one.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { deleteLink, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteLink("blue0"));
 * ```
 */
export function deleteLink(
  link: LinkRef | { readonly group: number },
): RouteRequest<boolean> {
  return {
    operation: typeof link === "object"
      ? `delete the links of group ${link.group}`
      : `delete ${describeLink(link)}`,
    type: RTM.DELLINK,
    flags: 0,
    duration: "long",
    body(writer) {
      if (typeof link !== "object") return writeLinkRef(writer, link);
      writeLinkHeader(writer);
      writer.attribute32(IFLA.GROUP, link.group);
    },
    ...deleted(["ENODEV"]),
  };
}
