/**
 * What a registry knows besides its blobs.
 *
 * @module
 */

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
}
