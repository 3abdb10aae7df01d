/**
 * IP addresses as bytes and as text.
 *
 * @module
 */

const GROUP_REGEXP = /^[0-9a-fA-F]{1,4}$/;

function fail(text: string): never {
  throw new SyntaxError(
    `Cannot parse the IP address ${JSON.stringify(text)}`,
  );
}

function parseIpv4(text: string): number[] | undefined {
  const octets: number[] = [];
  let octet: number | undefined;
  for (let at = 0; at <= text.length; at++) {
    if (at === text.length || text[at] === ".") {
      if (octet === undefined) return undefined;
      octets.push(octet);
      octet = undefined;
      continue;
    }
    const digit = text.charCodeAt(at) - 48;
    // A zero in front would be octal to some.
    if (digit < 0 || digit > 9 || octet === 0) return undefined;
    octet = (octet ?? 0) * 10 + digit;
    if (octet > 255) return undefined;
  }
  return octets.length === 4 ? octets : undefined;
}

/** The 16-bit groups of one side of `::`; at the end of all an IPv4 address may stand for two. */
function parseGroups(
  text: string,
  { whole, last }: { whole: string; last: boolean },
): number[] {
  if (text === "") return [];
  const parts = text.split(":");
  const ipv4 = last ? parseIpv4(parts.at(-1)!) : undefined;
  if (ipv4 !== undefined) parts.pop();
  const groups = parts.map((part) =>
    GROUP_REGEXP.test(part) ? parseInt(part, 16) : fail(whole)
  );
  if (ipv4 !== undefined) {
    const [a, b, c, d] = ipv4 as [number, number, number, number];
    groups.push(a << 8 | b, c << 8 | d);
  }
  return groups;
}

/**
 * Parses an IPv4 or IPv6 address.
 *
 * Strict: no octal, no short forms of IPv4, no zone.
 *
 * @param text The address, such as `10.0.0.1` or `fd00::1`.
 * @returns Its 4 or 16 bytes in network order.
 * @throws {SyntaxError} If it is no address.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4291
 *
 * @example Usage
 * ```ts
 * import { parseIp } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseIp("10.0.0.1"), new Uint8Array([10, 0, 0, 1]));
 * ```
 */
export function parseIp(text: string): Uint8Array<ArrayBuffer> {
  if (!text.includes(":")) return new Uint8Array(parseIpv4(text) ?? fail(text));
  const sides = text.split("::");
  if (sides.length > 2) fail(text);
  const last = sides.length === 1;
  const head = parseGroups(sides[0]!, { whole: text, last });
  const tail = parseGroups(sides[1] ?? "", { whole: text, last: true });
  const missing = 8 - head.length - tail.length;
  if (sides.length === 2 ? missing < 1 : missing !== 0) fail(text);
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  head.forEach((group, index) => view.setUint16(index * 2, group));
  tail.forEach((group, index) =>
    view.setUint16((head.length + missing + index) * 2, group)
  );
  return bytes;
}

/**
 * Formats the bytes of an address, IPv6 as RFC 5952 wants it.
 *
 * @param bytes 4 or 16 bytes in network order.
 * @returns The text that {@linkcode parseIp} reads.
 * @throws {RangeError} If there are neither 4 nor 16 bytes.
 *
 * @example Usage
 * ```ts
 * import { formatIp, parseIp } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatIp(parseIp("2001:DB8:0:0:1:0:0:1")), "2001:db8::1:0:0:1");
 * ```
 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) {
    throw new RangeError(
      `Cannot format an IP address of ${bytes.length} bytes: expected 4 or 16`,
    );
  }
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push(bytes[at]! << 8 | bytes[at + 1]!);
  }
  // The mapped form keeps its IPv4 tail readable.
  if (
    groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  ) {
    return `::ffff:${bytes.subarray(12).join(".")}`;
  }
  const zeros = longestZeros(groups);
  const hex = (part: number[]) =>
    part.map((group) => group.toString(16)).join(":");
  return zeros === undefined
    ? hex(groups)
    : `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.end))}`;
}

/** The first longest run of two or more zero groups. */
function longestZeros(
  groups: readonly number[],
): { start: number; end: number } | undefined {
  let best: { start: number; end: number } | undefined;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > Math.max(1, best ? best.end - best.start : 1)) {
      best = { start, end };
    }
    start = Math.max(start, end - 1);
  }
  return best;
}
