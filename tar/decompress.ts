/**
 * Undoing the compression of a layer.
 *
 * @module
 */

import { layerChunks } from "./_layer_chunks.ts";
import { streamOf } from "./_stream_of.ts";
import type { ByteSource } from "./byte_source.ts";
import type { LayerEngine } from "./layer_engine.ts";

/** Hashes nothing: nobody asks for digests here. */
const NO_HASHES: LayerEngine = {
  createHash: () => ({ update() {}, digest: () => "", [Symbol.dispose]() {} }),
  decompress: () => undefined,
};

/** Options of {@linkcode decompress}. */
export interface DecompressOptions {
  /** What the stream may ask for. */
  readonly limits?: { readonly ratio?: number };
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/**
 * Decompresses a stream by its magic bytes: gzip, zstd or none.
 *
 * Where the digests are of interest, {@linkcode readLayer} gives them in the same pass.
 *
 * @param stream The stream, compressed or not.
 * @param options Limits and signal.
 * @returns The uncompressed stream; fails with {@linkcode TarError} if the compression is damaged.
 *
 * @example Usage
 * ```ts
 * import { compress, decompress } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const zipped = compress(new Blob(["hello"]).stream(), { compression: "zstd" });
 * assertEquals(await new Response(decompress(zipped)).text(), "hello");
 * ```
 */
export function decompress(
  stream: ByteSource,
  options: DecompressOptions = {},
): ReadableStream<Uint8Array> {
  return streamOf(
    stream,
    (done, signal) =>
      layerChunks(
        stream,
        { ...options, signal, reuse: false, engine: NO_HASHES },
        done,
      ),
    options,
  ).readable;
}
