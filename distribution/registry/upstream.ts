/**
 * The registry behind a registry.
 *
 * @module
 */

import type { RegistryClient } from "../registry_client.ts";

/** Where a registry that pulls through fetches what it does not have. */
export interface Upstream {
  /** The other registry, such as `docker.io`. */
  readonly registry: string;
  /** The client that asks it. */
  readonly client: RegistryClient;
  /**
   * Ends what is being fetched: as the clients may have left, a server that ends would wait for it.
   *
   * @default {none}
   */
  readonly signal?: AbortSignal;
}
