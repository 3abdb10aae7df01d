/** Size of the buffers that sources which can fill ours are read into. */
const BUFFER = 1 << 18;

/**
 * Reads a stream chunk by chunk, in large chunks where the source can fill a buffer of ours.
 * Ends the source when the consumer stops early.
 */
export async function* readChunks(
  stream: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const reader = openReader(stream);
  const abort = () => void reader.cancel(signal!.reason).catch(() => {});
  signal?.addEventListener("abort", abort);
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) break;
      if (value.length > 0) yield value;
    }
    ended = true;
  } finally {
    signal?.removeEventListener("abort", abort);
    if (!ended) await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

interface Reader {
  read(): Promise<
    { done: true; value?: unknown } | { done: false; value: Uint8Array }
  >;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}

function openReader(stream: ReadableStream<Uint8Array>): Reader {
  try {
    const reader = stream.getReader({ mode: "byob" });
    return {
      read: async () => {
        const { done, value } = await reader.read(new Uint8Array(BUFFER));
        return done || value === undefined
          ? { done: true }
          : { done: false, value };
      },
      cancel: (reason) => reader.cancel(reason),
      releaseLock: () => reader.releaseLock(),
    };
  } catch (error) {
    // Not a stream of bytes: it gives its own chunks.
    if (!(error instanceof TypeError) || stream.locked) throw error;
    return stream.getReader();
  }
}
