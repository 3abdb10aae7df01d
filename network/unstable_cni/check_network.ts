/**
 * Checking containers on networks.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { cacheFile, completed, readCache } from "./_cache.ts";
import { atLeast, call, configFor, envFor } from "./_call.ts";
import type { CniAttachment, CniNetwork, CniOptions } from "./cni_types.ts";

/**
 * Asks whether a container is still on a network as it was added.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param attachment The container.
 * @param options Where plugins and results are.
 * @throws {CniError} If a plugin finds something missing.
 * @throws {Deno.errors.NotFound} If the container was not added.
 * @throws {CniCacheError} If what was kept of it is damaged.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#check-check-containers-networking-is-as-expected
 *
 * @example Usage
 * ```ts ignore
 * import { checkNetwork, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await checkNetwork(network, { containerId: "web", netns: "/run/netns/web" });
 * ```
 */
export async function checkNetwork(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions = {},
): Promise<void> {
  if (network.disableCheck || !atLeast(network.cniVersion, 0, 4)) return;
  const cached = await readCache(cacheFile(network, attachment, options));
  if (cached?.result === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot check "${attachment.containerId}" on the network "${network.name}": it was not added`,
    );
  }
  const whole = completed(attachment, cached);
  for (const plugin of network.plugins) {
    await call("CHECK", options, {
      plugin: plugin.type,
      config: configFor(network, plugin, {
        attachment: whole,
        prevResult: cached.result,
      }),
      env: envFor(whole),
    });
  }
}
