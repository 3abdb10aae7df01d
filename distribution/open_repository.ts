/**
 * A repository of a registry, to look around in.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import type { Descriptor } from "@containerkit/oci";
import { download } from "./_download.ts";
import { generatedStream } from "./_generated_stream.ts";
import { headManifest } from "./_manifests.ts";
import { fetchSmall } from "./_small_blobs.ts";
import { type Target, toTarget } from "./_target.ts";
import { listReferrers } from "./list_referrers.ts";
import { RegistryError } from "./registry_error.ts";
import type { Reference } from "./parse_reference.ts";

/** How content is read, wherever it is: what verifying signatures takes. */
export interface Repository {
  /**
   * Finds what a tag or a digest names.
   *
   * @returns `undefined` if it names nothing.
   */
  resolve(
    name: string,
    options?: { signal?: AbortSignal },
  ): Promise<Descriptor | undefined>;
  /** Reads a manifest or a small blob whole; its digest is proven. */
  read(
    descriptor: Descriptor,
    options?: {
      /**
       * The largest size in bytes.
       *
       * @default {4 MiB}
       */
      limit?: number;
      /** Ends the call. */
      signal?: AbortSignal;
    },
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Opens a blob. Its size is checked; its digest is the reader's to prove. */
  open(
    descriptor: Descriptor,
    options?: { offset?: number; direct?: boolean; signal?: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>>;
  /** Lists manifests whose subject this is. */
  referrers(
    subject: Descriptor,
    options?: { artifactType?: string; signal?: AbortSignal },
  ): AsyncIterable<Descriptor>;
}

const LIMIT = 4 * 1024 * 1024;

/**
 * Opens a repository of a registry for reading.
 *
 * Requires `--allow-net`.
 *
 * @param reference The repository; its tag or digest does not matter.
 * @param options The client.
 * @returns The repository. Nothing is asked yet.
 *
 * @example Usage
 * ```ts ignore
 * import { openRepository } from "@containerkit/distribution";
 *
 * const repository = openRepository("docker.io/library/alpine");
 * const descriptor = await repository.resolve("3");
 * ```
 */
export function openRepository(
  reference: string | Reference,
  options: RegistryCallOptions = {},
): Repository {
  const target = toTarget(reference, options);
  const during = (signal: AbortSignal | undefined): Target =>
    signal === undefined ? target : { ...target, signal: both(target, signal) };
  return {
    async resolve(name, { signal } = {}) {
      try {
        return await headManifest(during(signal), name);
      } catch (error) {
        if (error instanceof RegistryError && error.status === 404) {
          return undefined;
        }
        throw error;
      }
    },
    read: (descriptor, { limit = LIMIT, signal } = {}) =>
      fetchSmall(during(signal), descriptor, limit),
    open: (descriptor, { offset = 0, signal } = {}) =>
      Promise.resolve(
        generatedStream(
          (signal) => download(during(signal), descriptor, { offset }),
          { signal },
        ),
      ),
    referrers: (subject, { artifactType, signal } = {}) => {
      const { tag: _tag, ...repository } = target;
      return listReferrers({ ...repository, digest: subject.digest }, {
        client: target.client,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(signal === undefined ? {} : { signal: both(target, signal) }),
      });
    },
  };
}

/** Ends with the repository's own signal, and with that of one call. */
function both({ signal }: Target, other: AbortSignal): AbortSignal {
  return signal === undefined ? other : AbortSignal.any([signal, other]);
}
