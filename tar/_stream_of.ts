import type { ByteSource } from "./byte_source.ts";
import type { LayerDigests, LayerReader } from "./read_layer.ts";

/**
 * Makes a stream of what a generator gives, and a promise of what it says at its end.
 *
 * @param source What the generator reads: a generator that never began cannot let go of it.
 */
export function streamOf(
  source: ByteSource | undefined,
  generate: (
    done: (digests: LayerDigests) => void,
    signal: AbortSignal,
  ) => AsyncGenerator<Uint8Array>,
  options: { readonly signal?: AbortSignal } = {},
): LayerReader {
  const { promise, resolve, reject } = Promise.withResolvers<LayerDigests>();
  // Whoever reads the stream sees the error there.
  promise.catch(() => {});
  const end = async (reason: unknown) => {
    if (source instanceof ReadableStream) await source.cancel(reason);
  };
  // What the generator waits for may stand still.
  const cancelled = new AbortController();
  const signal = AbortSignal.any([
    cancelled.signal,
    ...(options.signal === undefined ? [] : [options.signal]),
  ]);
  const chunks = generate(resolve, signal);
  let begun = false;
  let fail: (reason: unknown) => void;
  // Who aborts before it reads may never look at the stream.
  const letGo = () => {
    reject(options.signal!.reason);
    fail(options.signal!.reason);
    end(options.signal!.reason).catch(() => {});
  };
  const begin = () => {
    begun = true;
    options.signal?.removeEventListener("abort", letGo);
  };
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      fail = (reason) => controller.error(reason);
    },
    async pull(controller) {
      begin();
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        reject(error);
        // It may have failed before it looked at the source.
        await end(error).catch(() => {});
        throw error;
      }
    },
    async cancel(reason) {
      reject(reason ?? new DOMException("The layer was let go", "AbortError"));
      cancelled.abort(reason);
      if (begun) return void await chunks.return(undefined);
      begin();
      await end(reason);
    },
  }, { highWaterMark: 0 });
  if (options.signal?.aborted) letGo();
  else options.signal?.addEventListener("abort", letGo, { once: true });
  return { readable, digests: promise };
}
