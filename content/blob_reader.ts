/**
 * Reading a blob at any place.
 *
 * @module
 */

/**
 * An open blob that is read at any place. It stays readable when the blob is removed meanwhile.
 *
 * @example Usage
 * ```ts
 * import { openStore } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   using reader = await store.reader(digest);
 *   const buffer = new Uint8Array(16);
 *   const count = await reader.readAt(buffer, 3);
 *   assertEquals(new TextDecoder().decode(buffer.subarray(0, count)), "lo");
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export interface BlobReader extends Disposable {
  /** Size of the blob in bytes. */
  readonly size: number;
  /**
   * Fills a buffer from an offset on.
   *
   * @param buffer Where the bytes go.
   * @param offset Where they come from, in bytes.
   * @returns How many there were: fewer than fit only at the end of the blob.
   * @throws {RangeError} If the offset is not an integer from 0.
   */
  readAt(buffer: Uint8Array, offset: number): Promise<number>;
  /** Closes it; a second call does nothing. */
  close(): void;
}
