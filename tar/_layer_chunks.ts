/** Decompressing and hashing a layer in one pass. */
import { createHash } from "node:crypto";
import type { DigestAlgorithm } from "@containerkit/oci";
import { checkLimits } from "./_check_limits.ts";
import { createDecompressor, runCodec } from "./_codec.ts";
import { readChunks } from "./_read_chunks.ts";
import { zstdFrames } from "./_zstd_frames.ts";
import type { ByteSource } from "./byte_source.ts";
import {
  type Compression,
  detectCompression,
  MAGIC_LENGTH,
} from "./detect_compression.ts";
import type { LayerEngine, LayerHash } from "./layer_engine.ts";
import { LimitError } from "./limit_error.ts";
import type { LayerDigests, ReadLayerOptions } from "./read_layer.ts";
import { TarError } from "./tar_error.ts";

/** Below this a high ratio is no sign of a bomb. */
const RATIO_FREE = 1 << 20;

/** A hash function of the engine, or of `node:crypto`. */
function openHash(
  algorithm: DigestAlgorithm,
  engine: LayerEngine | undefined,
): LayerHash {
  const found = engine?.createHash(algorithm);
  if (found !== undefined) return found;
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest("hex"),
    [Symbol.dispose]() {},
  };
}

/** How a layer is read. */
export interface LayerChunksOptions extends ReadLayerOptions {
  /** A chunk is valid until the next but one is asked for. */
  readonly reuse: boolean;
  /** What does the work; with `reuse` only. */
  readonly engine?: LayerEngine | undefined;
}

/**
 * The uncompressed archive of a layer.
 *
 * @param done Called at the end with what the layer turned out to be.
 */
export async function* layerChunks(
  layer: ByteSource,
  options: LayerChunksOptions,
  done: (digests: LayerDigests) => void,
): AsyncGenerator<Uint8Array> {
  const { digestAlgorithm = "sha256", diffIdAlgorithm = "sha256" } = options;
  const { onProgress, reuse, engine, storedDigest } = options;
  // What decompresses reads ahead: it may wait for a source that stands still when nobody wants more.
  const ended = new AbortController();
  const signal = AbortSignal.any([
    ended.signal,
    ...(options.signal === undefined ? [] : [options.signal]),
  ]);
  const { limits = {} } = options;
  checkLimits(limits);
  const { ratio = Infinity } = limits;
  let size = 0;
  let diffSize = 0;
  async function* count(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      // It may go on while the chunk is used.
      const hashed = stored?.update(chunk);
      size += chunk.length;
      yield chunk;
      await hashed;
    }
  }
  const { compression, chunks } = await peek(
    readChunks(layer, { reuse, signal }),
  );
  // Without compression both are the hash of the same bytes.
  const isOne = compression === "none" && digestAlgorithm === diffIdAlgorithm;
  using stored = storedDigest === undefined || isOne
    ? openHash(digestAlgorithm, engine)
    : undefined;
  using plain = isOne ? undefined : openHash(diffIdAlgorithm, engine);
  const counted = count(chunks);
  const uncompressed = compression === "none"
    ? counted
    : decompressChunks(counted, compression, { signal, engine });
  for await (const chunk of uncompressed) {
    let isRead = false;
    try {
      diffSize += chunk.length;
      if (diffSize > RATIO_FREE && diffSize > size * ratio) {
        throw new LimitError("ratio", ratio);
      }
      const hashed = plain?.update(chunk);
      onProgress?.(size, diffSize);
      yield chunk;
      await hashed;
      isRead = true;
    } finally {
      if (!isRead) ended.abort();
    }
  }
  const digest = stored === undefined
    ? await storedDigest!()
    : `${digestAlgorithm}:${stored.digest()}`;
  const diffId = plain === undefined
    ? digest
    : `${diffIdAlgorithm}:${plain.digest()}`;
  done({ digest, size, diffId, diffSize, compression });
}

/** Runs the codec and tells its errors from those of the source. */
async function* decompressChunks(
  chunks: AsyncIterable<Uint8Array>,
  compression: "gzip" | "zstd",
  { signal, engine }: {
    signal: AbortSignal;
    engine: LayerEngine | undefined;
  },
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
    const native = engine?.decompress(watch(), compression);
    if (native !== undefined) return yield* native;
    const whole = compression === "zstd" ? zstdFrames(watch()) : watch();
    yield* runCodec(whole, createDecompressor(compression));
  } catch (error) {
    if (sourceError !== undefined) throw sourceError.error;
    signal.throwIfAborted();
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
    // A buffer of the source may be filled again before this is used.
    first.push(value.length < MAGIC_LENGTH ? value.slice() : value);
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
