/**
 * Strings for C.
 *
 * @module
 */

const encoder = new TextEncoder();

/**
 * Encodes a string as the NUL-terminated UTF-8 that C functions take.
 *
 * @param text The string; must not contain NUL.
 * @returns The bytes, with the NUL.
 * @throws {TypeError} If the string contains NUL: C would see a shorter one.
 *
 * @example Usage
 * ```ts
 * import { cString } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cString("ab"), new Uint8Array([97, 98, 0]));
 * ```
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new TypeError(
      `Cannot pass ${JSON.stringify(text)} to C: it contains NUL`,
    );
  }
  return encoder.encode(`${text}\0`);
}
