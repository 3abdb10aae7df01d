/**
 * Names for layers on top of each other.
 *
 * @module
 */

import { digestBytes } from "./digest_bytes.ts";

/**
 * Computes the chain IDs of layers, as
 * [config.md](https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid) of the OCI image specification defines them: each names a layer together with all below it.
 *
 * @param diffIds Digests of the uncompressed layers, the lowest first.
 * @returns One chain ID per layer; the last one names the whole root filesystem.
 *
 * @example Usage
 * ```ts
 * import { chainIds } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const diffId = `sha256:${"0".repeat(64)}`;
 * assertEquals(chainIds([diffId]), [diffId]);
 * ```
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const ids: string[] = [];
  for (const diffId of diffIds) {
    const below = ids.at(-1);
    ids.push(
      below === undefined ? diffId : digestBytes(`${below} ${diffId}`),
    );
  }
  return ids;
}
