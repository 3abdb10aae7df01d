/**
 * Reading layers: decompressing and hashing in one pass.
 *
 * @module
 */

import type { DigestAlgorithm } from "@containerkit/oci";
import { layerChunks } from "./_layer_chunks.ts";
import { streamOf } from "./_stream_of.ts";
import type { ByteSource } from "./byte_source.ts";
import type { Compression } from "./detect_compression.ts";

/** What a layer turned out to be. */
export interface LayerDigests {
  /** Digest of the bytes as stored. */
  readonly digest: string;
  /** Bytes as stored. */
  readonly size: number;
  /** Digest of the uncompressed archive, the diff ID. */
  readonly diffId: string;
  /** Bytes of the uncompressed archive. */
  readonly diffSize: number;
  /** How it is compressed. */
  readonly compression: Compression;
}

/** Options of {@linkcode readLayer}. */
export interface ReadLayerOptions {
  /**
   * Hash function of `digest`.
   *
   * @default {"sha256"}
   */
  readonly digestAlgorithm?: DigestAlgorithm;
  /**
   * Hash function of `diffId`.
   *
   * @default {"sha256"}
   */
  readonly diffIdAlgorithm?: DigestAlgorithm;
  /**
   * Gives the digest of the bytes as stored, once all are read, where somebody else hashes them or has proven them: a
   * compressed layer is hashed once less then. One that is not compressed is hashed anyway, as that is its diff ID.
   */
  readonly storedDigest?: () => string | Promise<string>;
  /** What the layer may ask for; only `ratio` is checked here. */
  readonly limits?: { readonly ratio?: number };
  /** Called after each chunk with the bytes so far, as stored and uncompressed. */
  readonly onProgress?: (size: number, diffSize: number) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** A layer being read. */
export interface LayerReader {
  /** The uncompressed archive. Must be read to its end for `digests`. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What the layer turned out to be; fails as the stream does. */
  readonly digests: Promise<LayerDigests>;
}

/**
 * Decompresses a layer, by its magic bytes, and hashes it both as stored and uncompressed, in one pass.
 *
 * A gzip may have several members, a zstd several frames and skippable ones. Bytes behind the end of the archive count for both digests.
 *
 * @param layer The layer as stored.
 * @param options Hash functions, limits, progress and signal.
 * @returns The archive, and the digests once it is read.
 * @throws {TarError} Through the stream, if the compression is damaged or unknown.
 * @throws {LimitError} Through the stream, if it grows more than allowed.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md
 *
 * @example Usage
 * ```ts
 * import { readLayer } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const stored = new Blob(["x".repeat(1000)]).stream()
 *   .pipeThrough(new CompressionStream("gzip"));
 * const { readable, digests } = readLayer(stored);
 * await new Response(readable).arrayBuffer();
 * const { diffSize, compression } = await digests;
 * assertEquals({ diffSize, compression }, { diffSize: 1000, compression: "gzip" });
 * ```
 */
export function readLayer(
  layer: ByteSource,
  options: ReadLayerOptions = {},
): LayerReader {
  return streamOf(
    layer,
    (done, signal) =>
      layerChunks(layer, { ...options, signal, reuse: false }, done),
    options,
  );
}
