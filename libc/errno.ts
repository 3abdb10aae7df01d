/**
 * Reading the number of the last error.
 *
 * @module
 */

import { readErrno } from "./_errno_word.ts";

/**
 * Reads the `errno` of the calling thread, as errno(3) describes.
 *
 * Must stand in the expression after the failing call, before anything is
 * allocated: an allocation may run code that sets it anew. Not for calls
 * declared `nonblocking`: those run on another thread.
 *
 * @returns The number, positive after a failure.
 *
 * @example Usage
 * ```ts
 * import { errno, library } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using symbols = library({ close: { parameters: ["i32"], result: "i32" } });
 * errno();
 * const code = symbols().close(-1) < 0 ? errno() : 0;
 * assertEquals(code, 9);
 * ```
 */
export function errno(): number {
  return readErrno();
}
