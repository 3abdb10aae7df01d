/**
 * Reading layers: decompressing and hashing in one pass.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { DigestAlgorithm } from "@containerkit/oci";
import { createDecompressor, runCodec } from "./_codec.ts";
import { readChunks } from "./_read_chunks.ts";
import {
  type Compression,
  detectCompression,
  MAGIC_LENGTH,
} from "./detect_compression.ts";
import { LimitError } from "./limit_error.ts";
import { TarError } from "./tar_error.ts";

/** Below this a high ratio is no sign of a bomb. */
const RATIO_FREE = 1 << 20;

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
  /** Hash function of `digest`. @default {"sha256"} */
  readonly digestAlgorithm?: DigestAlgorithm;
  /** Hash function of `diffId`. @default {"sha256"} */
  readonly diffIdAlgorithm?: DigestAlgorithm;
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
 * Decompression runs on another thread; gzip may have several members, zstd
 * several frames and skippable ones. Bytes behind the end of the archive count for both digests.
 *
 * @param layer The layer as stored.
 * @param options Hash functions, limits, progress and signal.
 * @returns The archive, and the digests once it is read.
 * @throws {TarError} Through the stream, if the compression is damaged or unknown.
 * @throws {LimitError} Through the stream, if it grows more than allowed.
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
  layer: ReadableStream<Uint8Array>,
  options: ReadLayerOptions = {},
): LayerReader {
  const { promise, resolve, reject } = Promise.withResolvers<LayerDigests>();
  // Whoever reads the stream sees the error there.
  promise.catch(() => {});
  const chunks = decompressAndHash(layer, options, resolve);
  const readable = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        reject(error);
        throw error;
      }
    },
    async cancel(reason) {
      reject(reason ?? new DOMException("The layer was let go", "AbortError"));
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
  return { readable, digests: promise };
}

async function* decompressAndHash(
  layer: ReadableStream<Uint8Array>,
  options: ReadLayerOptions,
  done: (digests: LayerDigests) => void,
): AsyncGenerator<Uint8Array> {
  const { digestAlgorithm = "sha256", diffIdAlgorithm = "sha256" } = options;
  const stored = createHash(digestAlgorithm);
  let size = 0;
  let diffSize = 0;
  async function* count(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      stored.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  const source = peek(readChunks(layer, options.signal));
  const { compression, chunks } = await source;
  const ratio = options.limits?.ratio ?? Infinity;
  const plain = compression === "none"
    ? undefined
    : createHash(diffIdAlgorithm);
  const same = plain === undefined && digestAlgorithm === diffIdAlgorithm;
  const second = plain ?? (same ? undefined : createHash(diffIdAlgorithm));
  const counted = count(chunks);
  const uncompressed = compression === "none"
    ? counted
    : guard(counted, compression, options.signal);
  for await (const chunk of uncompressed) {
    diffSize += chunk.length;
    if (diffSize > RATIO_FREE && diffSize > size * ratio) {
      throw new LimitError("ratio", ratio);
    }
    second?.update(chunk);
    options.onProgress?.(size, diffSize);
    yield chunk;
  }
  const digest = `${digestAlgorithm}:${stored.digest("hex")}`;
  const diffId = second === undefined
    ? digest
    : `${diffIdAlgorithm}:${second.digest("hex")}`;
  done({ digest, size, diffId, diffSize, compression });
}

/** Runs the codec and tells its errors from those of the source. */
async function* guard(
  chunks: AsyncIterable<Uint8Array>,
  compression: "gzip" | "zstd",
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let sourceError: { error: unknown } | undefined;
  async function* watch() {
    try {
      yield* chunks;
    } catch (error) {
      sourceError = { error };
      throw error;
    }
  }
  try {
    yield* runCodec(watch(), createDecompressor(compression));
  } catch (error) {
    if (sourceError !== undefined) throw sourceError.error;
    signal?.throwIfAborted();
    throw new TarError(`its ${compression} compression is damaged`, -1, {
      cause: error,
    });
  }
}

/** Looks at the first bytes, whatever the chunks are. */
async function peek(chunks: AsyncGenerator<Uint8Array>): Promise<
  { compression: Compression; chunks: AsyncIterable<Uint8Array> }
> {
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < MAGIC_LENGTH) {
    const { done, value } = await chunks.next();
    if (done) break;
    first.push(value);
    length += value.length;
  }
  const head = new Uint8Array(Math.min(length, MAGIC_LENGTH));
  let at = 0;
  for (const chunk of first) {
    const part = chunk.subarray(0, head.length - at);
    head.set(part, at);
    at += part.length;
  }
  let compression;
  try {
    compression = detectCompression(head);
  } catch (error) {
    await chunks.return(undefined);
    throw error;
  }
  async function* all() {
    try {
      yield* first;
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  }
  return { compression, chunks: all() };
}
