/**
 * Layers of images as streams: compressed or not, hashed both ways in one pass, and their whiteouts.
 *
 * ```ts
 * import { readLayer, writeLayer } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = writeLayer(new Blob([new Uint8Array(1024)]).stream());
 * const archive = readLayer(layer.readable);
 * await archive.readable.pipeTo(new WritableStream());
 * assertEquals(await archive.digests, await layer.digests);
 * ```
 *
 * @module
 */

export * from "./byte_source.ts";
export * from "./clean_path.ts";
export * from "./compress.ts";
export * from "./create_path_resolver.ts";
export * from "./decompress.ts";
export * from "./detect_compression.ts";
export * from "./layer_engine.ts";
export * from "./merge_layers.ts";
export * from "./normalize_whiteout.ts";
export * from "./parse_whiteout.ts";
export * from "./read_layer.ts";
export * from "./read_layer_chunks.ts";
export * from "./write_layer.ts";
