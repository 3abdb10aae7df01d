import type { ByteReader, ByteSource } from "./byte_source.ts";

/** Size of the buffers that a source which can fill ours is read into. */
const BUFFER = 1 << 20;

/** Options of {@linkcode readChunks}. */
export interface ReadChunksOptions {
  /**
   * Fills the same buffers again: a chunk is valid until the next but one is
   * asked for. New memory costs more than copying the bytes.
   */
  readonly reuse?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a source chunk by chunk, one chunk ahead. Ends it when the consumer stops early.
 */
export async function* readChunks(
  source: ByteSource,
  { reuse = false, signal }: ReadChunksOptions = {},
): AsyncGenerator<Uint8Array> {
  const reader = openReader(source, reuse);
  const abort = () => void reader.cancel(signal!.reason).catch(() => {});
  signal?.addEventListener("abort", abort);
  let ended = false;
  let ahead: Promise<Uint8Array | undefined> | undefined;
  try {
    signal?.throwIfAborted();
    ahead = reader.read();
    for (;;) {
      const chunk = await ahead;
      signal?.throwIfAborted();
      if (chunk === undefined) break;
      ahead = reader.read();
      // An error is thrown when its turn comes.
      ahead.catch(() => {});
      if (chunk.length > 0) yield chunk;
    }
    ended = true;
  } finally {
    signal?.removeEventListener("abort", abort);
    if (!ended) {
      await reader.cancel(signal?.reason).catch(() => {});
      await ahead?.catch(() => {});
    }
    reader.release();
  }
}

interface Reader {
  read(): Promise<Uint8Array | undefined>;
  cancel(reason?: unknown): Promise<void>;
  release(): void;
}

/** Hands out buffers: new ones, or the same three in turn. */
function bufferRing(reuse: boolean): {
  take(): Uint8Array<ArrayBuffer>;
  put(buffer: ArrayBuffer): void;
} {
  const ring: ArrayBuffer[] = [];
  return {
    take() {
      // One is being read into, one is with the consumer, one may still be written from.
      const buffer = reuse && ring.length === 3 ? ring.shift() : undefined;
      return new Uint8Array(buffer ?? new ArrayBuffer(BUFFER));
    },
    put(buffer) {
      if (reuse) ring.push(buffer);
    },
  };
}

function openReader(source: ByteSource, reuse: boolean): Reader {
  if (!(source instanceof ReadableStream)) return openFiller(source, reuse);
  const buffers = bufferRing(reuse);
  let byob: ReadableStreamBYOBReader;
  try {
    byob = source.getReader({ mode: "byob" });
  } catch (error) {
    // Not a stream of bytes: it gives its own chunks.
    if (!(error instanceof TypeError) || source.locked) throw error;
    const reader = source.getReader();
    return {
      read: async () => (await reader.read()).value,
      cancel: (reason) => reader.cancel(reason),
      release: () => reader.releaseLock(),
    };
  }
  return {
    async read() {
      const { value } = await byob.read(buffers.take());
      if (value === undefined || value.length === 0) return undefined;
      buffers.put(value.buffer);
      return value;
    },
    cancel: (reason) => byob.cancel(reason),
    release: () => byob.releaseLock(),
  };
}

function openFiller(source: ByteReader, reuse: boolean): Reader {
  const buffers = bufferRing(reuse);
  return {
    async read() {
      const buffer = buffers.take();
      const length = await source.read(buffer);
      if (length === null) return undefined;
      buffers.put(buffer.buffer);
      return buffer.subarray(0, length);
    },
    cancel: () => Promise.resolve(),
    release() {},
  };
}
