/**
 * Names in archives and on Linux: bytes, which are most often UTF-8.
 *
 * @module
 */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

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
  const length = first < 0x80
    ? 1
    : first >= 0xc2 && first < 0xe0
    ? 2
    : first >= 0xe0 && first < 0xf0
    ? 3
    : first >= 0xf0 && first < 0xf5
    ? 4
    : 0;
  if (length === 0 || index + length > bytes.length) return 0;
  try {
    decoder.decode(bytes.subarray(index, index + length));
    return length;
  } catch {
    return 0;
  }
}

function decodeLossless(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length;) {
    const length = sequence(bytes, index);
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + bytes[index]!);
      index++;
    } else {
      text += decoder.decode(bytes.subarray(index, index + length));
      index += length;
    }
  }
  return text;
}
