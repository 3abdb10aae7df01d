/**
 * Strings for one call of C.
 *
 * @module
 */

import { cString } from "./c_string.ts";

/** `PATH_MAX` of the kernel, at three bytes a character at most, and the NUL. */
const SIZE = 3 * 4096 + 1;
const encoder = new TextEncoder();
/** One for each string of a call that has two. */
const buffers = [new Uint8Array(SIZE), new Uint8Array(SIZE)] as const;

/**
 * Encodes a string as {@linkcode cString} does, for a call that is made at
 * once, in memory that the next one reuses: allocating it would take as long
 * as a short call.
 *
 * It must stand in the arguments of the call itself, so that nothing comes
 * between, and the call must not be `nonblocking`.
 *
 * @param text The string; must not contain NUL.
 * @param place Which of the strings of the call it is.
 * @returns The bytes, with the NUL; what is behind that means nothing.
 * @throws {TypeError} If the string contains NUL: C would see a shorter one.
 *
 * @example Usage
 * ```ts
 * import { cStringOnce, library } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using symbols = library({
 *   // int strcmp(const char *a, const char *b)
 *   strcmp: { parameters: ["buffer", "buffer"], result: "i32" },
 * });
 * const { strcmp } = symbols();
 * assertEquals(strcmp(cStringOnce("same"), cStringOnce("same", 1)), 0);
 * ```
 */
export function cStringOnce(
  text: string,
  place: 0 | 1 = 0,
): Uint8Array<ArrayBuffer> {
  const bytes = buffers[place];
  const { length } = text;
  if (length > 4096) return cString(text); // a path the kernel refuses, or a page of options
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0) return cString(text); // throws
    if (code > 127) {
      if (text.includes("\0")) return cString(text);
      const { written } = encoder.encodeInto(text, bytes);
      bytes[written] = 0;
      return bytes;
    }
    bytes[at] = code;
  }
  bytes[length] = 0;
  return bytes;
}
