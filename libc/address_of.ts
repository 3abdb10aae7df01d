/**
 * Where memory is.
 *
 * @module
 */

import { library } from "./library.ts";

const symbols = library({
  /** `void *memcpy(void *to, const void *from, size_t size)`, which gives `to`. */
  memcpy: { parameters: ["buffer", "buffer", "usize"], result: "u64" },
});

/** V8 keeps smaller ones on its own heap and may move them. */
const SMALLEST = 128;

/**
 * Tells the address of memory, for structures that hold pointers. Unlike
 * `Deno.UnsafePointer.of` it also works when the ffi permission has a scope.
 *
 * The memory must stay referenced while the kernel may use the address.
 *
 * @param bytes The memory, of at least 128 bytes: smaller ones may move.
 * @returns The address of its first byte.
 * @throws {RangeError} If it is smaller.
 *
 * @example Usage
 * ```ts
 * import { addressOf } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array(4096);
 * assertEquals(addressOf(bytes.subarray(1024)), addressOf(bytes) + 1024n);
 * ```
 */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  if (bytes.length < SMALLEST) {
    throw new RangeError(
      `Cannot take the address of ${bytes.length} bytes: fewer than ${SMALLEST} may move`,
    );
  }
  return symbols().memcpy(bytes, bytes, 0n);
}
