/**
 * What a table of address translation holds.
 *
 * @module
 */

import type { ConfinedLink } from "./confinement.ts";
import type { PortSpec } from "./published_port.ts";

/** A bridge whose containers shall reach others. */
export interface NatBridge {
  /** The name of the bridge. */
  readonly bridge: string;
  /** The network of its containers. */
  readonly subnet: string;
  /**
   * Whether what leaves by other links gets their address.
   *
   * @default {true}
   */
  readonly outbound?: boolean | undefined;
}

/** What to add to a table in one go. */
export interface NatEntries {
  /** Bridges whose containers shall reach others. */
  readonly bridges?: readonly NatBridge[] | undefined;
  /** Names of bridges that shall not reach one another, except by published ports. */
  readonly isolate?: readonly string[] | undefined;
  /** Ports of the host that shall lead to containers. */
  readonly publish?: readonly PortSpec[] | undefined;
  /** Links whose namespaces shall only get out. */
  readonly confine?: readonly ConfinedLink[] | undefined;
}
