/**
 * Writing layers: compressing and hashing in one pass.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createCompressor, runCodec } from "./_codec.ts";
import { readChunks } from "./_read_chunks.ts";
import { streamOf } from "./_stream_of.ts";
import { Turn } from "./_turn.ts";
import type { ByteSource } from "./byte_source.ts";
import type { Compression } from "./detect_compression.ts";
import type { LayerDigests, LayerReader } from "./read_layer.ts";

/** Options of {@linkcode writeLayer} and {@linkcode compress}. */
export interface CompressOptions {
  /**
   * How to compress.
   *
   * @default {"gzip"}
   */
  readonly compression?: Compression;
  /** The level: 1 to 9 for gzip, 1 to 22 for zstd; the default is the codec's own. */
  readonly level?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/**
 * Compresses an archive into a layer and hashes it both uncompressed and as it will be stored, in one pass.
 *
 * It compresses chunk by chunk, between which others have their turn. The same bytes and options give the same
 * layer, as long as the version of Deno is the same.
 *
 * @param archive The archive.
 * @param options How to compress.
 * @returns The layer as it is to be stored, and its digests once it is read.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md
 *
 * @example Usage
 * ```ts
 * import { writeLayer } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const archive = new Blob([new Uint8Array(1024)]).stream();
 * const { readable, digests } = writeLayer(archive);
 * const stored = await new Response(readable).bytes();
 * const { size, diffSize } = await digests;
 * assertEquals([size, diffSize], [stored.length, 1024]);
 * ```
 */
export function writeLayer(
  archive: ByteSource,
  options: CompressOptions = {},
): LayerReader {
  return streamOf(
    archive,
    (done, signal) => compressAndHash(archive, { ...options, signal }, done),
    options,
  );
}

async function* compressAndHash(
  archive: ByteSource,
  options: CompressOptions,
  done: (digests: LayerDigests) => void,
): AsyncGenerator<Uint8Array> {
  const { compression = "gzip", level, signal } = options;
  const plain = createHash("sha256");
  const stored = compression === "none" ? undefined : createHash("sha256");
  let diffSize = 0;
  let size = 0;
  const turn = new Turn();
  async function* count() {
    for await (const chunk of readChunks(archive, { signal })) {
      plain.update(chunk);
      diffSize += chunk.length;
      await turn.rest();
      yield chunk;
    }
  }
  const chunks = compression === "none"
    ? count()
    : runCodec(count(), createCompressor(compression, level));
  for await (const chunk of chunks) {
    stored?.update(chunk);
    size += chunk.length;
    yield chunk;
  }
  const diffId = `sha256:${plain.digest("hex")}`;
  const digest = stored === undefined
    ? diffId
    : `sha256:${stored.digest("hex")}`;
  done({ digest, size, diffId, diffSize, compression });
}
