/**
 * What a registry knows besides its blobs.
 *
 * @module
 */

/** Options of {@linkcode RegistryIndex.lock}. */
export interface LockIndexOptions {
  /**
   * Whether to be alone; else any number may hold it at once.
   *
   * @default {false}
   */
  readonly exclusive?: boolean;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps which repository has which manifests, tags and blobs, as text by key. Keys are paths whose parts are safe as file
 * names.
 */
export interface RegistryIndex {
  /** The value of a key, if it has one. */
  get(key: string): Promise<string | undefined>;
  /** Sets a value. */
  set(key: string, value: string): Promise<void>;
  /** Removes a key; not an error if it is gone. */
  delete(key: string): Promise<void>;
  /** Lists the keys right below a path, without it, in order. */
  list(path: string): Promise<string[]>;
  /**
   * Waits for a lock of the whole index: a registry holds it for each change, together with others, and `pruneRegistry()`
   * alone. Who waits to be alone gets it before those who come later.
   *
   * @returns Held until it is disposed of, or the process ends.
   */
  lock?(options?: LockIndexOptions): Promise<Disposable>;
}
