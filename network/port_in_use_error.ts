/**
 * The error of a port that is taken.
 *
 * @module
 */

import { formatEndpoint } from "./_endpoint.ts";
import type { PublishedPort } from "./published_port.ts";

/**
 * A port of the host that is published already.
 *
 * @example Usage
 * ```ts
 * import { PortInUseError } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new PortInUseError("tcp 127.0.0.1:80", {
 *   protocol: "tcp",
 *   hostAddress: "0.0.0.0",
 *   hostPort: 80,
 *   target: "10.0.0.2",
 *   targetPort: 8080,
 *   owner: "web",
 * });
 * assertEquals(
 *   error.message,
 *   'Cannot publish tcp 127.0.0.1:80: 0.0.0.0:80 leads to 10.0.0.2:8080 for "web"',
 * );
 * ```
 */
export class PortInUseError extends Error {
  /** Always `"PortInUseError"`, for checks across package versions. */
  override readonly name = "PortInUseError";
  /** Who has it. */
  readonly holder: PublishedPort;

  /**
   * Describes a port that is taken.
   *
   * @param port The port that was to be published, as text.
   * @param holder Who has it.
   */
  constructor(port: string, holder: PublishedPort) {
    const { hostAddress, hostPort, target, targetPort, owner } = holder;
    const whose = owner === undefined ? "" : ` for "${owner}"`;
    super(
      `Cannot publish ${port}: ${
        formatEndpoint(hostAddress, hostPort)
      } leads to ${formatEndpoint(target, targetPort)}${whose}`,
    );
    this.holder = holder;
  }
}
