/**
 * Options of `attach()`.
 *
 * @module
 */

import type { Confinement } from "./confinement.ts";
import type { PortSpec } from "./published_port.ts";
import type { Bandwidth } from "./unstable_tc.ts";

export type { Bandwidth };

/** A port of the host that shall lead into the namespace. */
export type AttachPort = Omit<PortSpec, "target" | "owner">;

/** Limits of what passes between a namespace and its bridge. */
export interface AttachBandwidth {
  /** Towards the namespace. */
  readonly inbound?: Bandwidth | undefined;
  /** From the namespace. The limit is inside: who has `CAP_NET_ADMIN` there can lift it. */
  readonly outbound?: Bandwidth | undefined;
}

/** Options of `attach()`. */
export interface AttachOptions {
  /** The bridge's name; one that is missing is made, and goes with its last port; one that is down is set up. */
  readonly bridge: string;
  /** The address in the namespace with its prefix length, or several; whose choice they are is the caller's. */
  readonly address: string | readonly string[];
  /** The next router, one of each family at most; a bridge that was made here gets it as its address, with the prefix length of `address`. */
  readonly gateway?: string | readonly string[] | undefined;
  /**
   * Whether packets leave the host with the host's address.
   *
   * @default {false}
   */
  readonly masquerade?: boolean | undefined;
  /** Ports of the host that shall lead here. */
  readonly publish?: readonly AttachPort[] | undefined;
  /**
   * Whether this bridge is kept from the other isolated ones.
   *
   * @default {false}
   */
  readonly isolate?: boolean | undefined;
  /**
   * Turns on the host's forwarding for the families in use, for everything on
   * the host and for good; see `writeSysctl()`. Without it, asking for
   * `masquerade` or `publish` where it is off is an error; not so for ports of
   * 127.0.0.1, which only this host comes by.
   *
   * @default {false}
   */
  readonly forwarding?: boolean | undefined;
  /**
   * What `detach()` finds it by; no two attachments have the same. A further
   * one of the same namespace needs one of its own.
   *
   * @default {the cookie of the namespace, in decimal}
   */
  readonly key?: string | undefined;
  /**
   * The name of the link in the namespace.
   *
   * @default {"eth0"}
   */
  readonly name?: string | undefined;
  /**
   * Its hardware address.
   *
   * @default {one that follows from the first address, so that others find it at once}
   */
  readonly mac?: string | undefined;
  /**
   * The largest packet in bytes, for the link and for a bridge that is made.
   *
   * @default {the kernel's, 1500}
   */
  readonly mtu?: number | undefined;
  /** How much may pass, each way. */
  readonly bandwidth?: AttachBandwidth | undefined;
  /**
   * Whether packets from the namespace are dropped unless they come from its
   * hardware address: a container that may change its own could take another's.
   *
   * @default {false}
   */
  readonly checkMac?: boolean | undefined;
  /**
   * Lets the namespace only get out, from before its link is up: it reaches
   * neither this host nor others on the bridge, nor what is denied, and sends
   * from its own addresses alone. Nobody reaches it but by `publish`. An empty
   * object does that much.
   */
  readonly confine?: Confinement | undefined;
  /** Stops between two steps; what was done is undone. */
  readonly signal?: AbortSignal | undefined;
}
