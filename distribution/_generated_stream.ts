import type { CallOptions } from "./_store.ts";

/** Streams what a generator gives. Cancelled, it ends by the signal what the generator waits for, which may stand still. */
export function generatedStream(
  generate: (signal: AbortSignal) => AsyncGenerator<Uint8Array>,
  options: CallOptions = {},
): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  const chunks = generate(AbortSignal.any([
    cancelled.signal,
    ...(options.signal === undefined ? [] : [options.signal]),
  ]));
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      cancelled.abort(reason);
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
}
