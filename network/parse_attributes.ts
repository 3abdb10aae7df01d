/**
 * Reading netlink attributes.
 *
 * @module
 */

import { walkAttributes } from "./_walk_attributes.ts";

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
  walkAttributes(bytes, offset, (type, start, end) => {
    list.push({ type, data: bytes.subarray(start, end) });
  });
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
  const map = new Map<number, Uint8Array<ArrayBuffer>>();
  walkAttributes(
    bytes,
    offset,
    (type, start, end) => map.set(type, bytes.subarray(start, end)),
  );
  return map;
}
