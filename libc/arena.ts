/**
 * Memory for structures that point at one another.
 *
 * @module
 */

import { addressOf } from "./address_of.ts";
import { cString } from "./c_string.ts";

/**
 * A block of memory with a known address, handed out piece by piece.
 *
 * For structures with pointers, such as `msghdr`: write the pieces, put their
 * addresses into one another, make the call, `reset()`.
 *
 * @example A vector of one buffer
 * ```ts
 * import { Arena } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const arena = new Arena(4096);
 * const data = arena.allocate(100);
 * const iovec = arena.allocate(16);
 * arena.view.setBigUint64(iovec, arena.addressOf(data), true);
 * arena.view.setBigUint64(iovec + 8, 100n, true);
 * assertEquals(arena.addressOf(iovec) - arena.addressOf(data), 104n);
 * ```
 */
export class Arena {
  /** The memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, for numbers; Linux on x86_64 and aarch64 is little-endian. */
  readonly view: DataView<ArrayBuffer>;
  #base: bigint | undefined;
  #used = 0;

  /**
   * Takes the memory.
   *
   * @param size In bytes, at least 128.
   */
  constructor(size = 65536) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /**
   * Hands out a piece, zeroed and aligned to 8 bytes.
   *
   * @param size In bytes.
   * @returns Where it starts in `bytes`.
   * @throws {RangeError} If that much is not left.
   */
  allocate(size: number): number {
    const start = this.#used;
    const end = start + size;
    if (!Number.isInteger(size) || size < 0 || end > this.bytes.length) {
      throw new RangeError(
        `Cannot allocate ${size} bytes: ${
          this.bytes.length - start
        } of the arena are left`,
      );
    }
    this.bytes.fill(0, start, end);
    this.#used = (end + 7) & ~7;
    return start;
  }

  /**
   * Hands out a piece that holds a string for C.
   *
   * @param text The string; must not contain NUL.
   * @returns Where it starts in `bytes`.
   * @throws {TypeError} If it contains NUL.
   * @throws {RangeError} If that much is not left.
   */
  string(text: string): number {
    const bytes = cString(text);
    const start = this.allocate(bytes.length);
    this.bytes.set(bytes, start);
    return start;
  }

  /**
   * Tells the address of a place, for a pointer.
   *
   * @param offset The place in `bytes`.
   * @returns The address.
   */
  addressOf(offset: number): bigint {
    this.#base ??= addressOf(this.bytes);
    return this.#base + BigInt(offset);
  }

  /** Takes all pieces back. */
  reset(): void {
    this.#used = 0;
  }
}
