/**
 * Removing containers from networks.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { cacheFile, completed, readCache, removeCache } from "./_cache.ts";
import { call, configFor, envFor } from "./_call.ts";
import { CniCacheError } from "./cni_cache_error.ts";
import type { CniAttachment, CniNetwork, CniOptions } from "./cni_types.ts";

/**
 * Removes a container from a network, in reverse order. What is gone already is
 * no error. If what was kept of it is damaged, the plugins get what is given
 * here alone, without the result of `ADD`.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param attachment The container; what it was added with is taken from the cache if it is there.
 * @param options Where plugins and results are.
 * @throws {CniError} If a plugin refuses, with its own words.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#del-remove-container-from-network-or-un-apply-modifications
 *
 * @example Usage
 * ```ts ignore
 * import { parseCniNetwork, removeFromNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await removeFromNetwork(network, { containerId: "web", netns: "/run/netns/web" });
 * ```
 */
export async function removeFromNetwork(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions = {},
): Promise<void> {
  const file = cacheFile(network, attachment, options);
  const cached = await readCache(file).catch((error) => {
    // What cannot be read may not keep anybody from removing it.
    if (!(error instanceof CniCacheError)) throw error;
    return undefined;
  });
  const whole = completed(attachment, cached);
  for (const plugin of network.plugins.toReversed()) {
    const config = configFor(network, plugin, {
      attachment: whole,
      prevResult: cached?.result,
    });
    await call("DEL", options, {
      plugin: plugin.type,
      config,
      env: envFor(whole),
    });
  }
  await removeCache(file);
}
