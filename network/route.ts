/**
 * Routes.
 *
 * @module
 */

import { familyNumber, familyOf, isInet } from "./_inet.ts";
import { linksOf, RTA, writeRoute, writeRouteHeader } from "./_route_codec.ts";
import { creation, deleted } from "./_route_request.ts";
import { parseIp } from "./ip.ts";
import type { LinkRef } from "./link.ts";
import { parseRoute } from "./parse_route.ts";
import { parsePrefix } from "./prefix.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";
import type { Route, RouteSpec } from "./route_spec.ts";

/** Which routes to list. */
export interface ListRoutesOptions {
  /** Only those of a family. */
  readonly family?: "ipv4" | "ipv6" | undefined;
  /** Only those of a table; without it those of all. */
  readonly table?: number | undefined;
  /** Only those that go out by a link. */
  readonly link?: LinkRef | undefined;
}

const RTM = { NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26 };

/** How an error speaks of a route. */
function describe(spec: RouteSpec): string {
  const via = spec.gateway === undefined ? "" : ` via ${spec.gateway}`;
  const link = spec.link === undefined ? "" : ` on ${spec.link}`;
  return `route to ${spec.destination}${via}${link}`;
}

/**
 * Adds a route. Its link must be up.
 *
 * @param spec The route.
 * @param options What to do if there is one already.
 * @returns A request without an answer.
 * @throws {SyntaxError} If an address is none.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { addRoute, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addRoute({ destination: "0.0.0.0/0", gateway: "10.0.0.1" }));
 * ```
 */
export function addRoute(
  spec: RouteSpec,
  options: { readonly ifExists?: IfExists } = {},
): RouteRequest<void> {
  parsePrefix(spec.destination);
  return {
    operation: `add ${describe(spec)}`,
    type: RTM.NEWROUTE,
    links: linksOf(spec),
    body: (writer, indexOf) =>
      writeRoute(writer, spec, { indexOf, deleting: false }),
    ...creation(options.ifExists),
  };
}

/**
 * Deletes the first route that fits.
 *
 * @param spec The route; what is left out fits any.
 * @returns A request that tells whether there was one.
 * @throws {SyntaxError} If an address is none.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { deleteRoute, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteRoute({ destination: "10.1.0.0/16" }));
 * ```
 */
export function deleteRoute(spec: RouteSpec): RouteRequest<boolean> {
  parsePrefix(spec.destination);
  return {
    operation: `delete ${describe(spec)}`,
    type: RTM.DELROUTE,
    flags: 0,
    links: linksOf(spec),
    body: (writer, indexOf) =>
      writeRoute(writer, spec, { indexOf, deleting: true }),
    ...deleted(["ESRCH"]),
  };
}

/**
 * Lists routes.
 *
 * @param options Which ones; the kernel does the choosing.
 * @returns A request that gives the routes.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { listRoutes, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const routes = await route.request(listRoutes({ family: "ipv4", table: 254 }));
 * assert(routes.every(({ table }) => table === 254));
 * ```
 */
export function listRoutes(
  options: ListRoutesOptions = {},
): RouteRequest<Route[]> {
  const { family, table, link } = options;
  return {
    operation: "list routes",
    type: RTM.GETROUTE,
    flags: 0,
    dump: true,
    ...(link !== undefined && { links: [link] }),
    body(writer, indexOf) {
      writeRouteHeader(writer, { family: familyNumber(family) });
      if (table !== undefined) writer.attribute32(RTA.TABLE, table);
      if (link !== undefined) writer.attribute32(RTA.OIF, indexOf(link));
    },
    decode: (messages) =>
      messages.filter(isInet).map(({ payload }) => parseRoute(payload)),
    recover(error) {
      // A table that nobody ever used does not exist.
      if (error.code === "ENOENT" && table !== undefined) return [];
      throw error;
    },
  };
}

/**
 * Asks the kernel which way a packet would take.
 *
 * @param destination The address it goes to.
 * @returns A request that gives the route.
 * @throws {SyntaxError} If it is no address.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { lookupRoute, RouteSocket } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const { type } = await route.request(lookupRoute("127.0.0.1"));
 * assertEquals(type, "local");
 * ```
 */
export function lookupRoute(destination: string): RouteRequest<Route> {
  const address = parseIp(destination);
  return {
    operation: `look up the route to ${destination}`,
    type: RTM.GETROUTE,
    flags: 0,
    body(writer) {
      writeRouteHeader(writer, {
        family: familyOf(address),
        length: address.length * 8,
      });
      writer.attribute(RTA.DST, address);
    },
    decode: (messages) => parseRoute(messages[0]!.payload),
  };
}
