/**
 * Adding containers to networks.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { ask, isResult } from "./_answer.ts";
import {
  type CacheEntry,
  cacheFile,
  removeCache,
  writeCache,
} from "./_cache.ts";
import { call, configFor, envFor } from "./_call.ts";
import type {
  CniAttachment,
  CniNetwork,
  CniOptions,
  CniPlugin,
  CniResult,
} from "./cni_types.ts";

/**
 * Adds a container to a network, plugin by plugin. If one refuses, what those
 * before it did is undone by `DEL`. The same container gets the same link once
 * only: before it is added again it is removed, also where the program that
 * added it was killed or the undoing failed.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param attachment The container.
 * @param options Where plugins and results are.
 * @returns What the last plugin gave.
 * @throws {CniError} If a plugin refuses, with its own words, or gives what is no result.
 * @throws {Deno.errors.NotFound} If a plugin is missing.
 * @throws {Deno.errors.AlreadyExists} If it was added already.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#add-add-container-to-network-or-apply-modifications
 *
 * @example Usage
 * ```ts ignore
 * import { addToNetwork, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await addToNetwork(network, { containerId: "web", netns: "/run/netns/web" });
 * ```
 */
export async function addToNetwork(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions = {},
): Promise<CniResult> {
  const file = cacheFile(network, attachment, options);
  if (attachment.netns === undefined) {
    throw new TypeError("Cannot add a container to a network without a netns");
  }
  const env = envFor(attachment);
  const entry: CacheEntry = {
    kind: "cniCacheV1",
    networkName: network.name,
    containerId: attachment.containerId,
    ifName: attachment.ifName ?? "eth0",
    attachment,
    network,
  };
  await reserve(file, entry);
  let result: CniResult | undefined;
  const called: CniPlugin[] = [];
  try {
    for (const plugin of network.plugins) {
      called.push(plugin);
      const config = configFor(network, plugin, {
        attachment,
        prevResult: result,
      });
      result = await ask("ADD", options, {
        plugin: plugin.type,
        config,
        env,
        isAnswer: isResult,
      });
    }
    await writeCache(file, { ...entry, result: result ?? {} });
    return result ?? {};
  } catch (error) {
    const failures = await undo(called, { network, attachment, options });
    if (failures.length === 0) {
      await removeCache(file);
      throw error;
    }
    throw new SuppressedError(
      new AggregateError(failures),
      error,
      `Cannot undo what CNI plugins did for "${attachment.containerId}"`,
    );
  }
}

/** Plugins do not expect a second `ADD`: its undoing would take away what the first did. */
async function reserve(file: string, entry: CacheEntry): Promise<void> {
  try {
    await writeCache(file, entry, { isNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Deno.errors.AlreadyExists(
      `Cannot add "${entry.containerId}" to the network "${entry.networkName}" as "${entry.ifName}": it was added already`,
      { cause: error },
    );
  }
}

/** Asks every plugin to undo its part, whatever the others say. */
async function undo(
  plugins: readonly CniPlugin[],
  { network, attachment, options }: {
    network: CniNetwork;
    attachment: CniAttachment;
    options: CniOptions;
  },
): Promise<unknown[]> {
  // The signal that ended it may not end the undoing.
  const { signal: _, ...rest } = options;
  const failures: unknown[] = [];
  for (const plugin of plugins.toReversed()) {
    try {
      await call("DEL", rest, {
        plugin: plugin.type,
        config: configFor(network, plugin, { attachment }),
        env: envFor(attachment),
      });
    } catch (error) {
      // The one that refused may refuse that too: it did nothing.
      if (plugin !== plugins.at(-1)) failures.push(error);
    }
  }
  return failures;
}
