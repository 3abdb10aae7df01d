/**
 * Reading netlink messages.
 *
 * @module
 */

/** One message of the kernel. */
export interface NetlinkMessage {
  /** Of the protocol; below 16 it is netlink's own, such as 2 for an error. */
  readonly type: number;
  /** `NLM_F_*`. */
  readonly flags: number;
  /** Which request it answers; 0 for a notification. */
  readonly sequence: number;
  /** What follows the header; a view of the buffer that was parsed. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

/**
 * Splits what one recv(2) gave into messages.
 *
 * @param bytes The whole datagram.
 * @returns Its messages; their payloads are views of `bytes`.
 * @throws {SyntaxError} If a length does not fit.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseMessages } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.begin({ type: 3, flags: 2, sequence: 1 });
 * writer.end();
 * assertEquals(parseMessages(writer.bytes).length, 1);
 * ```
 */
export function parseMessages(
  bytes: Uint8Array<ArrayBuffer>,
): NetlinkMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at;
    const length = left < 16 ? 0 : view.getUint32(at, true);
    if (length < 16 || length > left) {
      throw new SyntaxError(
        `Cannot parse netlink messages: ${length} is no length for ${left} bytes`,
      );
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: bytes.subarray(at + 16, at + length),
    });
    at += length + 3 & ~3;
  }
  return messages;
}
