/** Bytes of headers to text and back, without loss whatever the bytes are. */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Text up to the first NUL or the end. */
export function readText(
  bytes: Uint8Array,
  start: number,
  length: number,
): string {
  let end = start;
  const last = start + length;
  let bits = 0;
  for (; end < last; end++) {
    const byte = bytes[end]!;
    if (byte === 0) break;
    bits |= byte;
  }
  return decode(bytes.subarray(start, end), bits < 0x80);
}

/** Bytes as text; a byte that is no valid UTF-8 becomes a lone surrogate. */
export function decodeText(bytes: Uint8Array): string {
  let bits = 0;
  for (let index = 0; index < bytes.length; index++) bits |= bytes[index]!;
  return decode(bytes, bits < 0x80);
}

function decode(bytes: Uint8Array, ascii: boolean): string {
  if (ascii && bytes.length < 512) {
    return String.fromCharCode.apply(null, bytes as unknown as number[]);
  }
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
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

/** The bytes that {@linkcode decodeText} read. */
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
