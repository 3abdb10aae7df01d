/**
 * Names in archives and on Linux: bytes, which are most often UTF-8.
 *
 * @module
 */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
/** So many characters fit into the arguments of a call. */
const UNITS = 4096;

/**
 * Reads bytes as UTF-8 without loss: a byte that is no part of valid UTF-8
 * becomes a lone surrogate from U+DC80 to U+DCFF, as Python's `surrogateescape` does.
 *
 * @param bytes Such as a file name.
 * @returns The text; {@linkcode encodeText} gives the same bytes again.
 *
 * @example Usage
 * ```ts
 * import { decodeText, encodeText } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * const name = new Uint8Array([0x61, 0xff]);
 * assertEquals(decodeText(name), "a\udcff");
 * assertEquals(encodeText("a\udcff"), name);
 * ```
 */
export function decodeText(bytes: Uint8Array): string {
  let bits = 0;
  for (let index = 0; index < bytes.length; index++) bits |= bytes[index]!;
  // Short ASCII, which most names are, is several times faster by hand.
  if (bits < 0x80 && bytes.length < 512) {
    return String.fromCharCode.apply(null, bytes as unknown as number[]);
  }
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
}

/**
 * Writes text as UTF-8; the inverse of {@linkcode decodeText}.
 *
 * @param text Such as a file name.
 * @returns The bytes.
 *
 * @example Usage
 * ```ts
 * import { encodeText } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(encodeText("é"), new Uint8Array([0xc3, 0xa9]));
 * ```
 */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return encoder.encode(text);
  const parts: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else parts.push(...encoder.encode(character));
  }
  return new Uint8Array(parts);
}

/** Length of the valid UTF-8 sequence at `index`, or 0. */
function sequence(bytes: Uint8Array, index: number): number {
  const first = bytes[index]!;
  if (first < 0x80) return 1;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || index + length > bytes.length) return 0;
  // What is too long for its character, a surrogate or above U+10FFFF shows in the second byte.
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[index + 1]!;
  if (second < lowest || second > highest) return 0;
  for (let next = index + 2; next < index + length; next++) {
    if ((bytes[next]! & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** By hand: the decoder throws at each wrong byte, which takes far too long where there are many. */
function decodeLossless(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  let filled = 0;
  for (let index = 0; index < bytes.length;) {
    const length = sequence(bytes, index);
    const first = bytes[index]!;
    if (length === 0) units[filled++] = 0xdc00 + first;
    else if (length === 1) units[filled++] = first;
    else {
      let code = first & (0x7f >> length);
      for (let next = index + 1; next < index + length; next++) {
        code = code << 6 | bytes[next]! & 0x3f;
      }
      if (code < 0x10000) units[filled++] = code;
      else {
        units[filled++] = 0xd7c0 + (code >> 10);
        units[filled++] = 0xdc00 + (code & 0x3ff);
      }
    }
    index += length || 1;
  }
  let text = "";
  for (let at = 0; at < filled; at += UNITS) {
    const some = units.subarray(at, Math.min(at + UNITS, filled));
    text += String.fromCharCode.apply(null, some as unknown as number[]);
  }
  return text;
}
