/**
 * Further names of links.
 *
 * @module
 */

import { describeLink, IFLA, writeLinkRef } from "./_link_message.ts";
import { creation, deleted } from "./_route_request.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { RouteRequest } from "./route_request.ts";

const RTM = { NEWLINKPROP: 108, DELLINKPROP: 109 };
const PROP_LIST = 52;
const MOST = 127;

function writeName(writer: MessageWriter, link: LinkRef, name: string): void {
  writeLinkRef(writer, link);
  writer.nest(PROP_LIST, () => writer.string(IFLA.ALT_IFNAME, name));
}

function check(name: string): void {
  const size = new TextEncoder().encode(name).length;
  if (size < 1 || size > MOST) {
    throw new RangeError(
      `Cannot name a link "${name}" too: expected 1 to ${MOST} bytes`,
    );
  }
}

/**
 * Gives a link a further name, by which it can be looked up.
 *
 * @param link Its index or name.
 * @param name The further name, up to 127 bytes; no other link may have it.
 * @returns A request without an answer.
 * @throws {RangeError} If the name is too long.
 *
 * @example Usage
 * ```ts ignore
 * import { addAltName, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addAltName("veth0", "the-link-of-the-web-server"));
 * ```
 */
export function addAltName(link: LinkRef, name: string): RouteRequest<void> {
  check(name);
  return {
    operation: `name ${describeLink(link)} "${name}" too`,
    type: RTM.NEWLINKPROP,
    body: (writer) => writeName(writer, link, name),
    ...creation(),
  };
}

/**
 * Takes a further name from a link.
 *
 * @param link Its index or name.
 * @param name The further name.
 * @returns A request that tells whether it had it.
 * @throws {RangeError} If the name is too long.
 *
 * @example Usage
 * ```ts ignore
 * import { deleteAltName, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteAltName("veth0", "the-link-of-the-web-server"));
 * ```
 */
export function deleteAltName(
  link: LinkRef,
  name: string,
): RouteRequest<boolean> {
  check(name);
  return {
    operation: `take the name "${name}" from ${describeLink(link)}`,
    type: RTM.DELLINKPROP,
    flags: 0,
    body: (writer) => writeName(writer, link, name),
    ...deleted(["ENOENT"]),
  };
}
