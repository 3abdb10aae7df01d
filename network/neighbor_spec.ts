/**
 * What a neighbour is.
 *
 * @module
 */

import type { LinkRef } from "./link.ts";

/** What the kernel holds of a neighbour. */
export type NeighborState =
  | "incomplete"
  | "reachable"
  | "stale"
  | "delay"
  | "probe"
  | "failed"
  | "noarp"
  | "permanent";

/** A neighbour: which hardware address an IP address has. */
export interface NeighborSpec {
  /** The link it is reached by. */
  readonly link: LinkRef;
  /** Its IP address. */
  readonly address: string;
  /** Its hardware address. */
  readonly mac?: string | undefined;
  /**
   * How sure that is.
   *
   * @default {"permanent"}
   */
  readonly state?: NeighborState | undefined;
  /**
   * Whether this host answers for it, instead of knowing where it is.
   *
   * @default {false}
   */
  readonly proxy?: boolean | undefined;
}

/** An entry of the forwarding table of a bridge: behind which port a hardware address is. */
export interface ForwardingSpec {
  /** The port, or the link itself. */
  readonly link: LinkRef;
  /** The hardware address. */
  readonly mac: string;
  /** Of a VXLAN link, the host behind which it is. */
  readonly destination?: string | undefined;
  /** In which VLAN. */
  readonly vlan?: number | undefined;
  /**
   * Whose table it is: of the bridge the link is a port of, or of the link.
   *
   * @default {"master"}
   */
  readonly table?: "master" | "self" | undefined;
}

/** A neighbour or an entry of a forwarding table, as the kernel reports it. */
export interface Neighbor {
  /** Which table it stands in. */
  readonly family: "ipv4" | "ipv6" | "bridge";
  /** The index of the link. */
  readonly link: number;
  /** Its IP address; of a bridge's entry the host behind which it is. */
  readonly address: string | undefined;
  /** Its hardware address. */
  readonly mac: string | undefined;
  /** How sure that is. */
  readonly states: readonly NeighborState[];
  /** Whether this host answers for it. */
  readonly proxy: boolean;
  /** In which VLAN. */
  readonly vlan: number | undefined;
  /** The index of the bridge. */
  readonly master: number | undefined;
}
