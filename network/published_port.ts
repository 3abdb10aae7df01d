/**
 * Ports of the host that lead into a container.
 *
 * @module
 */

/** Protocols with ports. */
export type PortProtocol = "tcp" | "udp" | "sctp";

/** A port of the host, or several in a row, to lead somewhere else. */
export interface PortSpec {
  /**
   * The protocol.
   *
   * @default {"tcp"}
   */
  readonly protocol?: PortProtocol | undefined;
  /** The host's address it is open on; `0.0.0.0` and `::` are all of a family, and open it to the world. */
  readonly hostAddress: string;
  /** The host's port, 1 to 65535. */
  readonly hostPort: number;
  /** The address it leads to, of the same family. */
  readonly target: string;
  /** The port it leads to. */
  readonly targetPort: number;
  /**
   * How many ports in a row, each to the next one there.
   *
   * @default {1}
   */
  readonly count?: number | undefined;
  /** Whose it is; what `unpublish()` and a clean-up find it by. Up to 127 bytes. */
  readonly owner?: string | undefined;
}

/** A published port as it stands in the kernel. */
export interface PublishedPort {
  /** The protocol. */
  readonly protocol: PortProtocol;
  /** The host's address it is open on; `0.0.0.0` and `::` are all of a family. */
  readonly hostAddress: string;
  /** The host's port. */
  readonly hostPort: number;
  /** The address it leads to. */
  readonly target: string;
  /** The port it leads to. */
  readonly targetPort: number;
  /** Whose it is. */
  readonly owner: string | undefined;
}
