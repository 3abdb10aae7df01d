/** How much is read at once at most, in bytes: somewhat more than the runtime has at hand at once. */
const SIZE = 512 * 1024;

/** Reads a body. */
export interface BodyReader {
  /** Reads the next chunk; the one before it is overwritten. */
  read(): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>;
  cancel(): Promise<void>;
}

/**
 * Into one buffer again and again: a fresh one for each chunk, which is what a body does by itself, takes three times
 * the time.
 */
export function openBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): BodyReader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    // A body that is no stream of bytes, such as one that node:https gives.
    const plain = body.getReader();
    return { read: () => plain.read(), cancel: () => plain.cancel() };
  }
  let buffer = new ArrayBuffer(SIZE);
  return {
    read: async () => {
      const result = await reader.read(new Uint8Array(buffer));
      // The buffer moved into what came, and comes back with it.
      if (result.value !== undefined) buffer = result.value.buffer;
      return result as ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
    },
    cancel: () => reader.cancel(),
  };
}
