/** Decompressing and hashing on other threads, without starting any: calls of C libraries that Deno's pool waits for. */
import type { LayerEngine } from "@containerkit/tar/layer";
import type { Bytes, Decompressor } from "./_decompressor.ts";
import { gzipDecompressor, type Inflate } from "./_gzip_decompressor.ts";
import { openIsal } from "./_isal_inflate.ts";
import { openNativeHash } from "./_native_hash.ts";
import { openZlib } from "./_zlib_inflate.ts";
import { openZstd } from "./_zstd_decompressor.ts";

/** How much is decompressed at once. */
const CHUNK = 1 << 21;
/**
 * How many chunks are asked for before they are needed: the other thread must not stand still whenever this one is
 * held up by an entry, a write or a hash.
 */
const AHEAD = 3;
/** One was just given, one may still be used. */
const BUFFERS = AHEAD + 2;

/** Chunks of what a decompressor gives, in a few buffers that are filled in turn. */
async function* run(
  chunks: AsyncIterable<Uint8Array>,
  codec: Decompressor,
): AsyncGenerator<Bytes> {
  const buffers: Bytes[] = [];
  let turn = 0;
  let filled = 0;
  for await (const chunk of chunks) {
    let input = chunk as Bytes;
    // A full buffer may hide that there is more to come out.
    for (let full = false; input.length > 0 || (full && !codec.complete);) {
      const buffer = buffers[turn % BUFFERS] ??= new Uint8Array(CHUNK);
      const rest = buffer.subarray(filled);
      const { read, written } = await codec.step(input, rest);
      input = input.subarray(read);
      filled += written;
      full = filled === CHUNK;
      if (!full) {
        if (read > 0 || written > 0) continue;
        if (input.length > 0) throw new RangeError("it stands still");
        break;
      }
      turn++;
      filled = 0;
      yield buffer;
    }
  }
  if (!codec.complete) throw new RangeError("the end is cut off");
  if (filled > 0) yield buffers[turn % BUFFERS]!.subarray(0, filled);
}

/** Works on the next chunks while the one before is used. */
async function* ahead(
  chunks: AsyncGenerator<Bytes>,
  end: () => void,
): AsyncGenerator<Bytes> {
  const queue: Promise<IteratorResult<Bytes>>[] = [];
  const ask = () => {
    const next = chunks.next();
    // Thrown when its turn comes.
    next.catch(() => {});
    queue.push(next);
  };
  try {
    for (let count = 0; count < AHEAD; count++) ask();
    for (;;) {
      const { done, value } = await queue.shift()!;
      if (done === true) return;
      ask();
      yield value;
    }
  } finally {
    await Promise.allSettled(queue);
    await chunks.return(undefined);
    end();
  }
}

/** Where gzip is undone, the fastest first. */
const INFLATES: readonly (() => Inflate | undefined)[] = [openIsal, openZlib];

/** Reads layers by the machine's libraries, each where it is. */
export function createNativeEngine(inflates = INFLATES): LayerEngine {
  const openGzip = () => {
    for (const open of inflates) {
      const inflate = open();
      if (inflate !== undefined) return gzipDecompressor(inflate);
    }
  };
  return {
    decompress(chunks, compression) {
      const codec = compression === "gzip" ? openGzip() : openZstd();
      if (codec === undefined) return undefined;
      return ahead(run(chunks, codec), () => codec.free());
    },
    createHash: openNativeHash,
  };
}

/** Reads layers by ISA-L or zlib, zstd and OpenSSL. */
export const nativeEngine: LayerEngine = createNativeEngine();
