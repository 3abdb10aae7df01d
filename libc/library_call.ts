/**
 * What a listener learns of a call of libc.
 *
 * @module
 */

/**
 * One call of libc, as the channel `containerkit:libc` publishes it.
 *
 * Arguments are handed over as they are: buffers are those of the call, to be
 * read before the listener returns.
 *
 * @example See every open()
 * ```ts
 * import { channel } from "node:diagnostics_channel";
 * import { type LibraryCall, openAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const seen: string[] = [];
 * const listener = (message: unknown) => {
 *   seen.push((message as LibraryCall).name);
 * };
 * channel("containerkit:libc").subscribe(listener);
 * openAt(undefined, "/").close();
 * channel("containerkit:libc").unsubscribe(listener);
 * assertEquals(seen, ["openat", "close"]);
 * ```
 */
export interface LibraryCall {
  /** The name in the table of symbols, such as `openat`. */
  readonly name: string;
  /** What was handed over. */
  readonly args: readonly unknown[];
  /** What came back. */
  readonly result: unknown;
  /** The number of the error of a call that gave -1, else 0. */
  readonly errno: number;
  /** How long it took. */
  readonly ms: number;
}
