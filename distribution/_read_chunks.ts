import { ByteError } from "./_byte_error.ts";
import type { RegistryAnswer } from "./registry_request.ts";

/**
 * Reads the body of an answer, and breaks off when it stands still. Only time spent waiting for the server
 * counts: the reader may be as slow as it likes.
 */
export async function* readChunks(
  answer: RegistryAnswer,
  options: { stallTimeout: number; signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { stallTimeout, signal } = options;
  const reader = answer.response.body?.getReader();
  if (reader === undefined) return;
  let since: number | undefined;
  const timer = setInterval(() => {
    if (since === undefined || performance.now() - since < stallTimeout) return;
    answer.abort(new ByteError(`nothing came for ${stallTimeout / 1000} s`));
  }, Math.max(10, stallTimeout / 4));
  let isDone = false;
  try {
    for (;;) {
      since = performance.now();
      const { done, value } = await reader.read();
      since = undefined;
      if (done) {
        isDone = true;
        return;
      }
      yield value;
    }
  } catch (cause) {
    isDone = true;
    signal?.throwIfAborted();
    if (cause instanceof ByteError) throw cause;
    throw new ByteError("the connection broke", { cause });
  } finally {
    clearInterval(timer);
    if (!isDone) await reader.cancel().catch(() => {});
  }
}
