import { abortable } from "@std/async/abortable";

/**
 * Waits for something no longer than a signal allows, if there is one; what is waited for goes on.
 *
 * @throws The reason of the signal, if it is aborted first.
 */
export function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return signal === undefined ? promise : abortable(promise, signal);
}
