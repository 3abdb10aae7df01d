/**
 * Namespaces that only get out.
 *
 * @module
 */

import type { PortProtocol } from "./published_port.ts";

/** What a confined namespace may reach whatever denies it. */
export interface ConfinementException {
  /** An address, or a prefix such as `10.0.0.0/24`. */
  readonly address: string;
  /**
   * The protocol.
   *
   * @default {those with ports if there is a `port`, else all}
   */
  readonly protocol?: PortProtocol | undefined;
  /**
   * The port there.
   *
   * @default {all}
   */
  readonly port?: number | undefined;
}

/** How far a confined namespace reaches. */
export interface Confinement {
  /** Prefixes it does not reach, such as those of `PRIVATE_NETWORKS`. */
  readonly deny?: readonly string[] | undefined;
  /** What it reaches all the same, such as a server of names; an address of the host too, but none of its neighbors. */
  readonly allow?: readonly ConfinementException[] | undefined;
}

/** A confined link, as a table of address translation holds it. */
export interface ConfinedLink extends Confinement {
  /** The name of the host's end. */
  readonly link: string;
  /** The bridge it is on. */
  readonly bridge: string;
  /** The only hardware address it may send from. */
  readonly mac: string;
  /** The only addresses it may send from. */
  readonly addresses: readonly string[];
  /** Whose it is; what `unconfine()` and a clean-up find it by. Up to 110 bytes. */
  readonly owner?: string | undefined;
}

/** Which links are confined, as `NatTable.confined()` lists them. */
export type ConfinedLinkName = Pick<ConfinedLink, "link" | "owner">;
