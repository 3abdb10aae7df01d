/**
 * How content is sent to a registry.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import type { TransferEvent } from "./transfer_event.ts";
import type { UploadState } from "./upload_state.ts";

/** How `push()` and `copy()` send. */
export interface PushOptions extends RegistryCallOptions {
  /** Told how far it is. */
  readonly onProgress?: (event: TransferEvent) => void;
  /**
   * How many blobs are sent at once.
   *
   * @default {4}
   */
  readonly concurrency?: number;
  /**
   * Sends large blobs in chunks of so many bytes, each held in memory, for servers that limit the size of a request.
   *
   * @default {each blob as one stream}
   */
  readonly chunkSize?: number;
  /** Keeps where unfinished uploads are: a push that was killed goes on from there. */
  readonly uploads?: UploadState;
  /** Repositories of the same registry that may have some of the blobs: those are not sent. */
  readonly mountFrom?: readonly string[];
}
