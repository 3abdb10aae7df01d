import type { LayerDigests, LayerReader } from "./read_layer.ts";

/** Makes a stream of what a generator gives, and a promise of what it says at its end. */
export function streamOf(
  generate: (
    done: (digests: LayerDigests) => void,
  ) => AsyncGenerator<Uint8Array>,
): LayerReader {
  const { promise, resolve, reject } = Promise.withResolvers<LayerDigests>();
  // Whoever reads the stream sees the error there.
  promise.catch(() => {});
  const chunks = generate(resolve);
  const readable = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        reject(error);
        throw error;
      }
    },
    async cancel(reason) {
      reject(reason ?? new DOMException("The layer was let go", "AbortError"));
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
  return { readable, digests: promise };
}
