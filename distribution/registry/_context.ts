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
}

/** One request for one repository. */
export interface Call {
  readonly context: Context;
  readonly request: Request;
  readonly url: URL;
  readonly repository: RepositoryIndex;
}
