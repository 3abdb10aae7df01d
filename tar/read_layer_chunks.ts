/**
 * Reading layers with the least copying.
 *
 * @module
 */

import { layerChunks } from "./_layer_chunks.ts";
import type { ByteSource } from "./byte_source.ts";
import type { LayerEngine } from "./layer_engine.ts";
import type { LayerDigests, ReadLayerOptions } from "./read_layer.ts";

/** What {@linkcode readLayerChunks} hands each chunk to. */
export type ChunkHandler = (chunk: Uint8Array) => void | Promise<void>;

/** Options of {@linkcode readLayerChunks}. */
export interface ReadLayerChunksOptions extends ReadLayerOptions {
  /** What decompresses and hashes, instead of `node:zlib` and `node:crypto`. */
  readonly engine?: LayerEngine;
}

/**
 * Does what {@linkcode readLayer} does, with the least copying: for hot paths.
 *
 * The same buffers are filled again and again: a chunk may be used until the
 * handler is called for the next but one.
 *
 * @param layer The layer as stored.
 * @param handle Gets each chunk of the uncompressed archive; awaited if it gives a promise.
 * @param options Engine, hash functions, limits, progress and signal.
 * @returns What the layer turned out to be.
 * @throws {TarError} If the compression is damaged or unknown.
 * @throws {LimitError} If it grows more than allowed.
 *
 * @example Usage
 * ```ts
 * import { readLayerChunks } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * let size = 0;
 * const { diffSize } = await readLayerChunks(
 *   new Blob(["x".repeat(1000)]).stream(),
 *   (chunk) => {
 *     size += chunk.length;
 *   },
 * );
 * assertEquals(size, diffSize);
 * ```
 */
export async function readLayerChunks(
  layer: ByteSource,
  handle: ChunkHandler,
  options: ReadLayerChunksOptions = {},
): Promise<LayerDigests> {
  let found: LayerDigests | undefined;
  const done = (digests: LayerDigests) => void (found = digests);
  for await (
    const chunk of layerChunks(layer, { ...options, reuse: true }, done)
  ) {
    const handled = handle(chunk);
    if (handled !== undefined) await handled;
  }
  return found!;
}
