/**
 * Undoing the compression of a layer.
 *
 * @module
 */

import type { ByteSource } from "./byte_source.ts";
import { readLayer } from "./read_layer.ts";

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
  return readLayer(stream, options).readable;
}
