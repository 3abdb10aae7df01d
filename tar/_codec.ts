import type { Transform } from "node:stream";
import {
  constants,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from "node:zlib";
import type { Compression } from "./detect_compression.ts";

/** A codec, and how many bytes it has taken. */
type Codec = Transform & { readonly bytesWritten: number };

/** Small chunks cost more in hand-over than in work. */
const CHUNK = 1 << 18;
/** How much of what it gives may wait. */
const AHEAD = 1 << 21;

const options = { chunkSize: CHUNK, highWaterMark: AHEAD };

/** The decompressor; what it is given at once it works off on this thread. */
export function createDecompressor(
  compression: Exclude<Compression, "none">,
): Codec {
  return compression === "gzip"
    ? createGunzip(options)
    : createZstdDecompress(options);
}

/** The compressor; what it is given at once it works off on this thread. */
export function createCompressor(
  compression: Exclude<Compression, "none">,
  level: number | undefined,
): Codec {
  if (compression === "gzip") {
    return createGzip({
      ...options,
      ...(level === undefined ? {} : { level }),
    });
  }
  const params = {
    // Damage is seen before the digest is.
    [constants.ZSTD_c_checksumFlag]: 1,
    ...(level === undefined
      ? {}
      : { [constants.ZSTD_c_compressionLevel]: level }),
  };
  return createZstdCompress({ ...options, params });
}

/**
 * Runs chunks through a codec. An error of either side ends both. Zeros may follow what is compressed; they are read too.
 *
 * @param chunks What goes in; a chunk is done with when the next is asked for.
 * @param codec The codec; destroyed at the end.
 */
export async function* runCodec(
  chunks: AsyncIterable<Uint8Array>,
  codec: Codec,
): AsyncGenerator<Uint8Array> {
  // Heard of where it is read; it may have been read to its end.
  codec.on("error", () => {});
  const feeding = feed(chunks, codec);
  // Reported by the codec, which it destroys.
  feeding.catch(() => {});
  try {
    for await (const chunk of codec) {
      yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
    await feeding;
  } finally {
    codec.destroy();
    await feeding.catch(() => {});
  }
}

async function feed(
  chunks: AsyncIterable<Uint8Array>,
  codec: Codec,
): Promise<void> {
  const closed = new Promise<void>((resolve) => codec.once("close", resolve));
  let fed = 0;
  let isPadding = false;
  try {
    for await (const chunk of chunks) {
      let rest = chunk;
      if (!isPadding) {
        const written = new Promise<void>((resolve) =>
          codec.write(chunk, () => resolve())
        );
        await Promise.race([written, closed]);
        if (codec.destroyed && !codec.readableEnded) return;
        fed += chunk.length;
        // What it did not take stands behind the end of what is compressed.
        rest = chunk.subarray(chunk.length - (fed - codec.bytesWritten));
        isPadding = rest.length > 0;
      }
      if (rest.some((byte) => byte !== 0)) {
        throw new RangeError("Cannot read gzip: something follows its end");
      }
    }
    codec.end();
  } catch (error) {
    codec.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}
