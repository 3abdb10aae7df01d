/**
 * Compressing a stream.
 *
 * @module
 */

import type { ByteSource } from "./byte_source.ts";
import { type CompressOptions, writeLayer } from "./write_layer.ts";

/**
 * Compresses a stream.
 *
 * Where the digests are of interest, {@linkcode writeLayer} gives them in the same pass.
 *
 * @param stream The stream.
 * @param options How to compress.
 * @returns The compressed stream.
 *
 * @example Usage
 * ```ts
 * import { compress } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const zipped = await new Response(compress(new Blob(["hello"]).stream())).bytes();
 * assertEquals([...zipped.slice(0, 2)], [0x1f, 0x8b]);
 * ```
 */
export function compress(
  stream: ByteSource,
  options: CompressOptions = {},
): ReadableStream<Uint8Array> {
  return writeLayer(stream, options).readable;
}
