import { abortable } from "@std/async/abortable";

/**
 * Gives what comes until it ends, or the signal ends it: also while nothing comes. What gives it is ended in any case.
 */
export async function* eachUntil<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const source = items instanceof ReadableStream
    ? iterate<T>(items)
    : items[Symbol.asyncIterator]();
  let isWaiting = false;
  let isDone = false;
  try {
    for (;;) {
      isWaiting = true;
      const next = source.next();
      const { done, value } = await (
        signal === undefined ? next : abortable(next, signal)
      );
      isWaiting = false;
      isDone = done === true;
      if (isDone) return;
      yield value;
    }
  } finally {
    // Why it fails is told already.
    const ended = isDone ? undefined : source.return?.().catch(() => {});
    // An iterator that stands still does not end before it goes on.
    if (!isWaiting) await ended;
  }
}

/** The iterator of a stream itself waits for what comes next before it ends it. */
function iterate<T>(stream: ReadableStream<T>): AsyncIterator<T, undefined> {
  const reader = stream.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      return done ? { done, value: undefined } : { done, value };
    },
    async return() {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}
