/**
 * Networks that are not the internet.
 *
 * @module
 */

/**
 * The networks that nobody has on the internet, and that may be somebody's
 * here: private ones, those of providers and of links, where the metadata of
 * clouds is, multicast, and what is reserved or leads to such, as 64:ff9b::/96
 * does. For `confine` of `attach()`. What is for documentation is not here.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6890
 *
 * @example Usage
 * ```ts
 * import { PRIVATE_NETWORKS } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * assert(PRIVATE_NETWORKS.includes("169.254.0.0/16"));
 * ```
 */
export const PRIVATE_NETWORKS: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
  // All but 2000::/3, and what of that is not what it seems.
  "::/3",
  "2001::/23",
  "2002::/16",
  "4000::/2",
  "8000::/1",
];
