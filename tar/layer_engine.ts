/**
 * Other ways to do the work of reading a layer.
 *
 * @module
 */

import type { DigestAlgorithm } from "@containerkit/oci";
import type { Compression } from "./detect_compression.ts";

/** A hash function that may be at work on another thread. */
export interface LayerHash extends Disposable {
  /**
   * Takes bytes in. They must stay as they are until the promise, if there is one, is resolved.
   */
  update(bytes: Uint8Array): void | Promise<void>;
  /** Gives the digest as hexadecimal digits; nothing may follow. */
  digest(): string;
}

/**
 * What does the heavy work of {@linkcode readLayerChunks}: by default `node:zlib` and
 * `node:crypto`, which keep the thread of the program busy. Where a method
 * gives `undefined`, the default does it.
 */
export interface LayerEngine {
  /**
   * Undoes a compression.
   *
   * @returns Chunks, each valid until the next but one is asked for. Fails if the compression is damaged or cut off.
   */
  decompress(
    chunks: AsyncIterable<Uint8Array>,
    compression: Exclude<Compression, "none">,
  ): AsyncGenerator<Uint8Array> | undefined;
  /** Makes a hash function. */
  createHash(algorithm: DigestAlgorithm): LayerHash | undefined;
}
