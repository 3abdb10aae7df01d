/**
 * Asking networks whether they are ready.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { checkName } from "./_cache.ts";
import { atLeast, call, configFor } from "./_call.ts";
import type { CniNetwork, CniOptions } from "./cni_types.ts";

/**
 * Asks whether a network is ready for containers; before version 1.1 nobody can tell.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param options Where plugins are.
 * @throws {CniError} If a plugin is not ready, with its own words.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#status-check-plugin-status
 *
 * @example Usage
 * ```ts ignore
 * import { networkStatus, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await networkStatus(network);
 * ```
 */
export async function networkStatus(
  network: CniNetwork,
  options: CniOptions = {},
): Promise<void> {
  checkName("network", network.name);
  if (!atLeast(network.cniVersion, 1, 1)) return;
  for (const plugin of network.plugins) {
    await call("STATUS", options, {
      plugin: plugin.type,
      config: configFor(network, plugin, {}),
    });
  }
}
