/**
 * Listing links.
 *
 * @module
 */

import { IFLA, RTM, writeLinkHeader } from "./_link_message.ts";
import { type Link, type LinkRef, parseLink } from "./link.ts";
import type { RouteRequest } from "./route_request.ts";

const SKIP_STATISTICS = 8;

/** Which links to list; the kernel does the choosing. */
export interface ListLinksOptions {
  /** Only those of a kind. */
  readonly kind?: string | undefined;
  /** Only those that belong to a bridge, bond or VRF. */
  readonly master?: LinkRef | undefined;
  /**
   * Whether to read the counters.
   *
   * @default {true}
   */
  readonly statistics?: boolean | undefined;
}

/**
 * Lists links.
 *
 * @param options Which ones.
 * @returns A request that gives the links, by index.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { listLinks, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const links = await route.request(listLinks());
 * assert(links.some(({ name }) => name === "lo"));
 * ```
 */
export function listLinks(
  options: ListLinksOptions = {},
): RouteRequest<Link[]> {
  const { kind, master, statistics = true } = options;
  return {
    operation: "list links",
    type: RTM.GETLINK,
    flags: 0,
    dump: true,
    ...(master !== undefined && { links: [master] }),
    body(writer, indexOf) {
      writeLinkHeader(writer);
      if (!statistics) writer.attribute32(IFLA.EXT_MASK, SKIP_STATISTICS);
      if (master !== undefined) {
        writer.attribute32(IFLA.MASTER, indexOf(master));
      }
      if (kind !== undefined) {
        writer.nest(IFLA.LINKINFO, () => writer.string(1, kind));
      }
    },
    decode(messages) {
      const links = messages.map(({ payload }) =>
        // Asked to skip counters, the kernel still gives the cheap ones.
        parseLink(payload, { statistics })
      );
      // A kernel that does not know a filter lists everything.
      return kind === undefined
        ? links
        : links.filter((link) => link.kind === kind);
    },
  };
}
