import type { Locks } from "../_locks.ts";
import type { Pulls } from "./_pulls.ts";
import type { RepositoryIndex } from "./_repository_index.ts";
import type { Uploads } from "./_uploads.ts";
import type { RegistryAccess } from "./registry_access.ts";
import type { RegistryIndex } from "./registry_index.ts";
import type { RegistryStore } from "./registry_store.ts";
import type { Upstream } from "./upstream.ts";

/** What all requests to one registry share. */
export interface Context {
  readonly store: RegistryStore;
  readonly index: RegistryIndex;
  readonly uploads: Uploads;
  readonly pulls: Pulls;
  /**
   * Of digests and of repositories, which are never the same text: whether a blob is held and whether the store has it changes together,
   * and so does what a tag was found to be and what it becomes. Who needs both takes that of the repository first.
   */
  readonly locks: Locks;
  readonly manifestLimit: number;
  readonly blobLimit: number;
  readonly minimumChunk: number;
  readonly pageSize: number;
  readonly readOnly: boolean;
  readonly upstream: Upstream | undefined;
  readonly authorize:
    | ((access: RegistryAccess) => boolean | Promise<boolean>)
    | undefined;
  readonly challenge: string;
  readonly onError: ((error: unknown, request: Request) => void) | undefined;
}

/** One request for one repository. */
export interface Call {
  readonly context: Context;
  readonly request: Request;
  readonly url: URL;
  readonly repository: RepositoryIndex;
}

/**
 * Changes what repositories have, while nobody prunes them: what is found here is there until the end. To be called before any
 * of `locks` is taken, as others may have those while they wait.
 */
export async function change<T>(
  { index }: Context,
  action: () => Promise<T>,
): Promise<T> {
  using _lock = await index.lock?.();
  return await action();
}
