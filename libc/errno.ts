/**
 * Reading the number of the last error.
 *
 * @module
 */

import { symbols } from "./_symbols.ts";

let word: Int32Array | undefined;

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
  if (word === undefined) {
    const address = symbols().__errno_location();
    word = new Int32Array(
      new Deno.UnsafePointerView(address!).getArrayBuffer(4),
    );
  }
  return word[0]!;
}
