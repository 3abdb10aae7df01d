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
  const readable = new ReadableStream<Uint8Array>({
    async pull(controller) {
      begun = true;
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
      if (begun) await chunks.return(undefined);
      else await end(reason);
    },
  }, { highWaterMark: 0 });
  return { readable, digests: promise };
}
