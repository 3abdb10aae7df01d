import { isOfBytes } from "./_open_body.ts";
import { broken, LEAST, stalled } from "./_read_chunks.ts";
import type { Sent } from "./_send.ts";
import type { BlobWriter } from "./blob_store.ts";

/** Takes a body to its end, and tells how far it is. */
export type ReadFrom = NonNullable<BlobWriter["readFrom"]>;

/** Options of {@linkcode takeBody}. */
export interface TakeBodyOptions {
  readonly readFrom: ReadFrom;
  /** The offset that its first byte has. */
  readonly start: number;
  readonly onProgress: (offset: number) => void;
  /** How long, in milliseconds, next to nothing may come. */
  readonly stallTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** Whether all of an answer's body is wanted, and no more than that can come: HTTP ends it where its length says. */
export function isTakeable(
  { response: { headers, body } }: Sent,
  length: number,
): boolean {
  return body !== null && headers.get("content-length") === String(length) &&
    isOfBytes(body);
}

/**
 * Has the body of an answer taken whole, and breaks off when it stands still. A disk that stands still is not told
 * apart from a server that does.
 */
export async function takeBody(
  answer: Sent,
  { readFrom, start, onProgress, stallTimeout, signal }: TakeBodyOptions,
): Promise<void> {
  let mark = { offset: start, time: performance.now() };
  let reason: Error | undefined;
  const timer = setInterval(() => {
    if (performance.now() - mark.time < stallTimeout) return;
    reason ??= stalled(stallTimeout);
    answer.abort(reason);
  }, Math.max(10, stallTimeout / 4));
  try {
    await readFrom(answer.response.body!, {
      onProgress(offset) {
        if (offset - mark.offset >= LEAST) {
          mark = { offset, time: performance.now() };
        }
        onProgress(offset);
      },
    });
  } catch (cause) {
    signal?.throwIfAborted();
    // The runtime says no more than that it was interrupted.
    if (reason !== undefined) throw reason;
    // That is what fetch() fails with; all else is the store's.
    throw cause instanceof TypeError ? broken(cause) : cause;
  } finally {
    clearInterval(timer);
  }
}
