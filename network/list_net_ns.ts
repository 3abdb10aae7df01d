/**
 * Listing network namespaces.
 *
 * @module
 */

import { SyscallError } from "@containerkit/libc";
import { NetNs } from "./net_ns.ts";

/** A namespace that is pinned in a folder. */
export interface NetNsEntry {
  /** Where it is pinned. */
  readonly path: string;
  /** Its identity, see {@linkcode NetNs.cookie}. */
  readonly cookie: bigint;
}

/**
 * Lists the network namespaces that are pinned in a folder. Files that are
 * none, such as what an interrupted removal leaves, are passed over.
 *
 * @param folder The folder; one that is missing holds none.
 * @returns The namespaces, by path.
 *
 * @example Usage
 * ```ts
 * import { listNetNs } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(listNetNs("/run/no-such-folder"), []);
 * ```
 */
export function listNetNs(folder = "/run/netns"): NetNsEntry[] {
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return names.toSorted().flatMap((name) => {
    const path = `${folder}/${name}`;
    try {
      using netns = NetNs.open(path);
      return [{ path, cookie: netns.cookie }];
    } catch (error) {
      // It is a plain file, or went while we looked.
      if (error instanceof TypeError || error instanceof SyscallError) {
        return [];
      }
      throw error;
    }
  });
}
