/** Reads a body. */
export interface BodyReader {
  /**
   * Reads the next chunk into memory that is given, which moves into what comes; what has memory of its own gives that.
   *
   * A fresh buffer for each chunk, which is what a body takes by itself, takes three times the time.
   */
  read(
    into: Uint8Array<ArrayBuffer>,
  ): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>;
  cancel(): Promise<void>;
}

/** A reader into memory that is given, such as bodies of the runtime have; one that node:https gives has none. */
function bytesReader(
  body: ReadableStream<Uint8Array>,
): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

/** Whether the runtime itself can move what is in a stream: bodies of `fetch()` and files are such, those of node:https are not. */
export function isOfBytes(body: ReadableStream<Uint8Array>): boolean {
  const reader = bytesReader(body);
  reader?.releaseLock();
  return reader !== undefined;
}

/** Opens a body. */
export function openBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): BodyReader {
  const reader = bytesReader(body) as BodyReader | undefined;
  return reader ?? body.getReader();
}
