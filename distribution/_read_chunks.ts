import { ByteError } from "./_byte_error.ts";
import { openBody } from "./_open_body.ts";
import type { Sent } from "./_send.ts";

/** A server that gives less than this within the time, in bytes, stands still: one byte now and then would hold a reader for ever. */
export const LEAST = 1024;

/** Options of {@linkcode readChunks}. */
export interface ReadChunksOptions {
  /** How long, in milliseconds, next to nothing may come. */
  readonly stallTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** What ends a body that stands still. */
export function stalled(stallTimeout: number): ByteError {
  return new ByteError(`next to nothing came for ${stallTimeout / 1000} s`);
}

/** What ended a body: others may give the rest of it. */
export function broken(cause: unknown): ByteError {
  return cause instanceof ByteError
    ? cause
    : new ByteError("the connection broke", { cause });
}

/**
 * Reads the body of an answer, and breaks off when it stands still. Only time spent waiting for the server
 * counts: the reader may be as slow as it likes. Each chunk is overwritten by the next one.
 */
export async function* readChunks(
  answer: Sent,
  options: ReadChunksOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { stallTimeout, signal } = options;
  const { body } = answer.response;
  if (body === null) return;
  const reader = openBody(body);
  /** Since when it waits for the server, and how long it did before, for the bytes that came since the count began. */
  let since: number | undefined;
  let waited = 0;
  let count = 0;
  const timer = setInterval(() => {
    if (since === undefined) return;
    if (waited + performance.now() - since < stallTimeout) return;
    answer.abort(stalled(stallTimeout));
  }, Math.max(10, stallTimeout / 4));
  let isDone = false;
  try {
    for (;;) {
      since = performance.now();
      const { done, value } = await reader.read();
      waited += performance.now() - since;
      since = undefined;
      if (done) {
        isDone = true;
        return;
      }
      count += value.length;
      if (count >= LEAST) waited = count = 0;
      yield value;
    }
  } catch (cause) {
    isDone = true;
    signal?.throwIfAborted();
    throw broken(cause);
  } finally {
    clearInterval(timer);
    if (!isDone) await reader.cancel().catch(() => {});
  }
}
