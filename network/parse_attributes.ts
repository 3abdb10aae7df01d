/**
 * Reading netlink attributes.
 *
 * @module
 */

/** One attribute. */
export interface NetlinkAttribute {
  /** Its type, without the marks of nests and byte order. */
  readonly type: number;
  /** Its data, without padding; a view of what was parsed. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Lists the attributes in a message or a nest, in order.
 *
 * @param bytes What holds them.
 * @param offset Where they start.
 * @returns The attributes; a type may occur more than once.
 * @throws {SyntaxError} If a length does not fit.
 *
 * @example Usage
 * ```ts
 * import { listAttributes, MessageWriter } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const { bytes } = new MessageWriter().attribute8(5, 1).attribute8(5, 2);
 * assertEquals(listAttributes(bytes).map(({ data }) => data[0]), [1, 2]);
 * ```
 */
export function listAttributes(
  bytes: Uint8Array<ArrayBuffer>,
  offset = 0,
): NetlinkAttribute[] {
  const list: NetlinkAttribute[] = [];
  for (let at = offset; at < bytes.length;) {
    const left = bytes.length - at;
    const length = left < 4 ? 0 : bytes[at]! | bytes[at + 1]! << 8;
    if (length < 4 || length > left) {
      throw new SyntaxError(
        `Cannot parse netlink attributes: ${length} is no length for ${left} bytes`,
      );
    }
    list.push({
      type: (bytes[at + 2]! | bytes[at + 3]! << 8) & 0x3fff,
      data: bytes.subarray(at + 4, at + length),
    });
    at += length + 3 & ~3;
  }
  return list;
}

/**
 * Reads the attributes in a message or a nest, by type.
 *
 * @param bytes What holds them.
 * @param offset Where they start.
 * @returns The data by type; of a type that occurs more than once, the last.
 * @throws {SyntaxError} If a length does not fit.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseAttributes } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const { bytes } = new MessageWriter().attribute8(5, 1);
 * assertEquals(parseAttributes(bytes).get(5), new Uint8Array([1]));
 * ```
 */
export function parseAttributes(
  bytes: Uint8Array<ArrayBuffer>,
  offset = 0,
): Map<number, Uint8Array<ArrayBuffer>> {
  return new Map(
    listAttributes(bytes, offset).map(({ type, data }) => [type, data]),
  );
}
