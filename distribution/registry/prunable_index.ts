/**
 * An index that can be pruned.
 *
 * @module
 */

import type { LockIndexOptions, RegistryIndex } from "./registry_index.ts";

/** An index of which `pruneRegistry()` can remove what nothing needs. */
export interface PrunableIndex extends RegistryIndex {
  /** Waits for its lock. */
  lock(options?: LockIndexOptions): Promise<Disposable>;
  /** Lists the parts right below a path below which there are keys, in order; one that lost its last key may be among them. */
  folders(path: string): Promise<string[]>;
}
