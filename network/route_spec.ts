/**
 * What a route is.
 *
 * @module
 */

import type { Scope } from "./address.ts";
import type { LinkRef } from "./link.ts";

/** What happens to a packet that takes a route. */
export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw";

/** One of several ways of a route. */
export interface NextHop {
  /** The next router. */
  readonly gateway?: string | undefined;
  /** The link to go out by. */
  readonly link?: LinkRef | undefined;
  /** Its share of the flows, 1 to 256. */
  readonly weight?: number | undefined;
  /** Whether the gateway is taken to be on the link though no address says so. */
  readonly onLink?: boolean | undefined;
}

/** A route to make or to delete. */
export interface RouteSpec {
  /** Where it leads: a prefix, an address, or `0.0.0.0/0` and `::/0` for everything. */
  readonly destination: string;
  /** The next router. */
  readonly gateway?: string | undefined;
  /** The link to go out by. */
  readonly link?: LinkRef | undefined;
  /** Several ways instead of one. */
  readonly nextHops?: readonly NextHop[] | undefined;
  /** The own address for packets that have none yet. */
  readonly source?: string | undefined;
  /** Its priority; lower wins. */
  readonly metric?: number | undefined;
  /**
   * The table.
   *
   * @default {254, the main one}
   */
  readonly table?: number | undefined;
  /**
   * What happens to the packets.
   *
   * @default {"unicast"}
   */
  readonly type?: RouteType | undefined;
  /**
   * How far it reaches.
   *
   * @default {"link" without a gateway, else "universe"}
   */
  readonly scope?: Scope | undefined;
  /**
   * Who made it: 2 the kernel, 3 at boot, 4 by hand.
   *
   * @default {3}
   */
  readonly protocol?: number | undefined;
  /** Whether the gateway is taken to be on the link though no address says so. */
  readonly onLink?: boolean | undefined;
  /** The largest packet on this way, in bytes. */
  readonly mtu?: number | undefined;
  /** The TCP segment size to announce, in bytes. */
  readonly advmss?: number | undefined;
  /** A next hop that was made by itself, instead of `gateway` and `link`. */
  readonly nextHopId?: number | undefined;
}

/** A route as the kernel reports it. */
export interface Route {
  /** The family of its addresses. */
  readonly family: "ipv4" | "ipv6";
  /** Where it leads, with a prefix length. */
  readonly destination: string;
  /** The next router. */
  readonly gateway: string | undefined;
  /** The index of the link to go out by. */
  readonly link: number | undefined;
  /** Several ways instead of one. */
  readonly nextHops: readonly {
    /** The next router. */
    readonly gateway: string | undefined;
    /** The index of the link to go out by. */
    readonly link: number;
    /** Its share of the flows. */
    readonly weight: number;
    /** Whether the gateway is taken to be on the link. */
    readonly onLink: boolean;
  }[];
  /** The own address for packets that have none yet. */
  readonly source: string | undefined;
  /** Its priority; lower wins. */
  readonly metric: number | undefined;
  /** The table. */
  readonly table: number;
  /** What happens to the packets. */
  readonly type: RouteType;
  /** How far it reaches. */
  readonly scope: Scope;
  /** Who made it. */
  readonly protocol: number;
  /** Whether the gateway is taken to be on the link. */
  readonly onLink: boolean;
  /** The largest packet on this way, in bytes. */
  readonly mtu: number | undefined;
  /** The TCP segment size to announce, in bytes. */
  readonly advmss: number | undefined;
  /** The next hop that was made by itself and that it uses. */
  readonly nextHopId: number | undefined;
}
