/**
 * What unpacking takes.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";

/** A layer of an image that can be opened, now or when its bytes arrive. */
export interface LayerSource extends Descriptor {
  /** Digest of the layer's uncompressed tar, as the image config states it. */
  readonly diffId: string;
  /**
   * Opens the layer as stored (compressed or not).
   *
   * With a lazy pull the first call starts the download.
   */
  open(options?: { signal?: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
  /** Where the bytes lie in a file, if they do. */
  readonly path?: string;
}
