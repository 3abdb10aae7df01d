/**
 * What every call that asks a registry takes.
 *
 * @module
 */

import type { RegistryClient } from "./registry_client.ts";

/** What every call that asks a registry takes. */
export interface RegistryCallOptions {
  /**
   * The client, which knows credentials, hosts and patience, and is worth sharing between calls.
   *
   * @default {an anonymous client of its own}
   */
  readonly client?: RegistryClient;
  /** Ends the call. */
  readonly signal?: AbortSignal;
}
