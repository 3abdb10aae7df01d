/**
 * Removing from networks what nobody uses.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { listCache } from "./_cache.ts";
import { atLeast, call, configFor } from "./_call.ts";
import type { CniAttachment, CniNetwork, CniOptions } from "./cni_types.ts";
import { removeFromNetwork } from "./remove_from_network.ts";

/**
 * Removes from a network what is not in use any more: those that were added
 * here are removed one by one, and from version 1.1 the plugins look for more.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param live The containers that are in use; one that is being added counts too.
 * @param options Where plugins and results are.
 * @throws {AggregateError} If some could not be removed; the others were.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#gc-clean-up-any-stale-resources
 *
 * @example Usage
 * ```ts ignore
 * import { collectNetwork, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await collectNetwork(network, [{ containerId: "web" }]);
 * ```
 */
export async function collectNetwork(
  network: CniNetwork,
  live: readonly Pick<CniAttachment, "containerId" | "ifName">[],
  options: CniOptions = {},
): Promise<void> {
  const valid = live.map(({ containerId, ifName = "eth0" }) => ({
    containerID: containerId,
    ifname: ifName,
  }));
  const errors: unknown[] = [];
  for (const attachment of await listCache(network, options)) {
    const isLive = valid.some(({ containerID, ifname }) =>
      containerID === attachment.containerId && ifname === attachment.ifName
    );
    if (isLive) continue;
    try {
      await removeFromNetwork(network, attachment, options);
    } catch (error) {
      errors.push(error);
    }
  }
  if (atLeast(network.cniVersion, 1, 1) && !network.disableGC) {
    for (const plugin of network.plugins) {
      const config = {
        ...configFor(network, plugin, {}),
        "cni.dev/valid-attachments": valid,
      };
      await call("GC", options, { plugin: plugin.type, config })
        .catch((error) => errors.push(error));
    }
  }
  if (errors.length > 0) {
    throw new AggregateError(
      errors,
      `Cannot collect all of the network "${network.name}": ${
        errors.map((error) => error instanceof Error ? error.message : error)
          .join("; ")
      }`,
    );
  }
}
