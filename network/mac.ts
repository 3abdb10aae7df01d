/**
 * Hardware addresses as bytes and as text.
 *
 * @module
 */

const MAC_REGEXP = /^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/;

/**
 * Parses a MAC address.
 *
 * @param text Six hexadecimal bytes, such as `02:42:ac:11:00:02`.
 * @returns The six bytes.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { parseMac } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseMac("02:00:00:00:00:ff").at(-1), 255);
 * ```
 */
export function parseMac(text: string): Uint8Array<ArrayBuffer> {
  if (!MAC_REGEXP.test(text)) {
    throw new SyntaxError(
      `Cannot parse the MAC address ${JSON.stringify(text)}`,
    );
  }
  return Uint8Array.fromHex(text.replaceAll(":", ""));
}

/**
 * Formats the bytes of a hardware address.
 *
 * @param bytes The bytes; six, but tunnels have 4 or 16.
 * @returns The bytes in hexadecimal with colons.
 *
 * @example Usage
 * ```ts
 * import { formatMac } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatMac(new Uint8Array([2, 0, 0, 0, 0, 10])), "02:00:00:00:00:0a");
 * ```
 */
export function formatMac(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  let text = hex.slice(0, 2);
  for (let at = 2; at < hex.length; at += 2) {
    text += `:${hex.slice(at, at + 2)}`;
  }
  return text;
}
