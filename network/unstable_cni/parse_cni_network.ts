/**
 * Reading networks.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import type { CniNetwork } from "./cni_types.ts";

/**
 * Reads a network from the text of a `.conflist` file.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param text The text.
 * @returns The network.
 * @throws {SyntaxError} If it is none.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#section-1-network-configuration-format
 *
 * @example Usage
 * ```ts
 * import { parseCniNetwork } from "@containerkit/network/unstable-cni";
 * import { assertEquals } from "@std/assert";
 *
 * const network = parseCniNetwork(
 *   '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"loopback"}]}',
 * );
 * assertEquals(network.plugins[0]?.type, "loopback");
 * ```
 */
export function parseCniNetwork(text: string): CniNetwork {
  const fails = (why: string, options?: ErrorOptions): never => {
    throw new SyntaxError(`Cannot parse the CNI network: ${why}`, options);
  };
  let value;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    fails((cause as SyntaxError).message, { cause });
  }
  if (typeof value !== "object" || value === null) fails("expected an object");
  for (const key of ["cniVersion", "name"]) {
    if (typeof value[key] !== "string") fails(`"${key}" is no string`);
  }
  if (!Array.isArray(value.plugins) || value.plugins.length === 0) {
    fails('"plugins" is no list of plugins');
  }
  for (const plugin of value.plugins) {
    if (typeof plugin?.type !== "string") fails("a plugin has no type");
  }
  return value;
}
