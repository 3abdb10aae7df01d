/**
 * Options of tables of address translation.
 *
 * @module
 */

import type { NetNs } from "./net_ns.ts";
import type { RequestOptions } from "./route_socket.ts";

/** Options of {@linkcode NatTable}. */
export interface NatTableOptions {
  /**
   * The name of the table, in the family `inet`.
   *
   * @default {"containerkit"}
   */
  readonly table?: string | undefined;
  /**
   * The namespace it is in, for life.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
  /**
   * Whether the table goes when this object is closed, or the program ends.
   * Nobody else can change it then.
   *
   * @default {false}
   */
  readonly owned?: boolean | undefined;
}

/** Options of {@linkcode NatTable.unpublish}. */
export interface UnpublishOptions extends RequestOptions {
  /**
   * Whether the flows through the ports are ended before it returns, or are
   * left to `endFlows()`.
   *
   * @default {"end"}
   */
  readonly flows?: "end" | "keep" | undefined;
}

/** Options of {@linkcode NatTable.removeBridge}. */
export interface RemoveBridgeOptions extends RequestOptions {
  /** Is asked within the transaction, and again if somebody has changed the rules meanwhile; without consent nothing is removed. It may change no rules itself: that would wait for this. */
  readonly onlyIf?: (() => Promise<boolean>) | undefined;
}
