/**
 * Addresses with a prefix length.
 *
 * @module
 */

import { formatIp, parseIp } from "./ip.ts";

/** An address and how many of its first bits name the network. */
export interface IpPrefix {
  /** 4 or 16 bytes in network order; host bits may be set. */
  readonly address: Uint8Array<ArrayBuffer>;
  /** 0 to 32 or 128. */
  readonly length: number;
}

const LENGTH_REGEXP = /^(?:0|[1-9]\d{0,2})$/;

/**
 * Parses an address with a prefix length; without one it is a single host.
 *
 * @param text Such as `10.0.0.0/24`, `fd00::1/64` or `10.0.0.1`.
 * @returns The address as written, and the length.
 * @throws {SyntaxError} If it is no address, or the length is out of range.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4632
 *
 * @example Usage
 * ```ts
 * import { parsePrefix } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePrefix("10.0.0.2/24").length, 24);
 * ```
 */
export function parsePrefix(text: string): IpPrefix {
  const slash = text.indexOf("/");
  const address = parseIp(slash === -1 ? text : text.slice(0, slash));
  const bits = address.length * 8;
  if (slash === -1) return { address, length: bits };
  const length = text.slice(slash + 1);
  if (!LENGTH_REGEXP.test(length) || Number(length) > bits) {
    throw new SyntaxError(
      `Cannot parse the prefix ${
        JSON.stringify(text)
      }: expected a length from 0 to ${bits}`,
    );
  }
  return { address, length: Number(length) };
}

/**
 * Formats an address with its prefix length.
 *
 * @param prefix The address and the length.
 * @returns The text that {@linkcode parsePrefix} reads.
 *
 * @example Usage
 * ```ts
 * import { formatPrefix, parsePrefix } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatPrefix(parsePrefix("fd00:0::1/64")), "fd00::1/64");
 * ```
 */
export function formatPrefix(prefix: IpPrefix): string {
  return `${formatIp(prefix.address)}/${prefix.length}`;
}

/**
 * Gives the network an address is in: the same prefix with the host bits cleared.
 *
 * @param prefix The address and the length.
 * @returns The network.
 *
 * @example Usage
 * ```ts
 * import { formatPrefix, networkOf, parsePrefix } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatPrefix(networkOf(parsePrefix("10.1.2.3/12"))), "10.0.0.0/12");
 * ```
 */
export function networkOf(prefix: IpPrefix): IpPrefix {
  const mask = prefixMask(prefix);
  return {
    address: prefix.address.map((byte, index) => byte & mask[index]!),
    length: prefix.length,
  };
}

/**
 * Gives the netmask of a prefix.
 *
 * @param prefix The prefix; only its lengths count.
 * @returns As many bytes as the address has.
 *
 * @example Usage
 * ```ts
 * import { parsePrefix, prefixMask } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(prefixMask(parsePrefix("10.0.0.0/9")), new Uint8Array([255, 128, 0, 0]));
 * ```
 */
export function prefixMask(prefix: IpPrefix): Uint8Array<ArrayBuffer> {
  return prefix.address.map((_, index) =>
    0xff00 >> Math.min(8, Math.max(0, prefix.length - index * 8)) & 0xff
  );
}
