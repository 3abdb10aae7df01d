/**
 * Where credentials are kept.
 *
 * @module
 */

import type { Credentials, CredentialSource } from "./credentials.ts";

/** Keeps credentials. */
export interface CredentialStore {
  /** Finds credentials: for the option `credentials` of a client. */
  readonly get: CredentialSource;
  /**
   * Keeps the credentials of a registry, or of some of its repositories.
   *
   * @param name Such as `localhost:5000` or `quay.io/team`.
   */
  set(name: string, credentials: Credentials): Promise<void>;
  /**
   * Forgets credentials.
   *
   * @returns Whether there were any.
   */
  delete(name: string): Promise<boolean>;
  /** Lists the names it has credentials for. */
  list(): Promise<string[]>;
}
