/** Waits for something, or for the signal. */
export async function unlessAborted(
  promise: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) return void await promise;
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const abort = () => resolve();
  signal.addEventListener("abort", abort);
  try {
    if (!signal.aborted) await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** What is done one after another, in the order it was asked for. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Does something when all before it is done, unless the signal comes first. */
  async take<T>(act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    // Who gives up does not let those behind pass those before.
    this.#last = before.then(() => promise);
    try {
      await unlessAborted(before, signal);
      signal?.throwIfAborted();
      return await act();
    } finally {
      resolve();
    }
  }
}
