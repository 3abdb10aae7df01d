import { crc32 } from "node:zlib";

const FIXED = 10;
/** More than an extra field and two names ever take. */
const LONGEST = 1 << 17;

const HEADER_CRC = 1 << 1;
const EXTRA = 1 << 2;
const NAME = 1 << 3;
const COMMENT = 1 << 4;
const RESERVED = 0b1110_0000;

/** How long the header of a member is (RFC 1952, 2.3), or `undefined` if there is more of it to come. */
function headerLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < FIXED) return undefined;
  const [magic1, magic2, method, flags = 0] = bytes;
  const isGzip = magic1 === 0x1f && magic2 === 0x8b && method === 8;
  if (!isGzip || (flags & RESERVED) !== 0) {
    throw new RangeError("Cannot read gzip: it has no header");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let length = FIXED;
  if ((flags & EXTRA) !== 0) {
    if (bytes.length < length + 2) return undefined;
    length += 2 + view.getUint16(length, true);
  }
  for (const text of [NAME, COMMENT]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, length);
    if (end === -1) return undefined;
    length = end + 1;
  }
  const hasCrc = (flags & HEADER_CRC) !== 0;
  const whole = length + (hasCrc ? 2 : 0);
  if (bytes.length < whole) return undefined;
  if (hasCrc) {
    const crc = crc32(bytes.subarray(0, length)) & 0xffff;
    if (crc !== view.getUint16(length, true)) {
      throw new RangeError("Cannot read gzip: its header is damaged");
    }
  }
  return whole;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Takes the header of a member of a gzip stream, in whatever pieces it comes. */
export class GzipHeader {
  /** What came of it before. */
  #before: Uint8Array = new Uint8Array(0);

  /** Takes what belongs to the header. Gives how much that was, and whether it is complete. */
  take(input: Uint8Array): { read: number; isComplete: boolean } {
    const before = this.#before.length;
    const piece = input.subarray(0, LONGEST);
    // Mostly it comes whole: some layers have a member for each file, and none of them is copied.
    const bytes = before === 0 ? piece : joined(this.#before, piece);
    const length = headerLength(bytes);
    if (length !== undefined) {
      return { read: length - before, isComplete: true };
    }
    if (bytes.length > LONGEST) {
      throw new RangeError("Cannot read gzip: its header is too long");
    }
    // The input is filled again once it was read.
    this.#before = before === 0 ? bytes.slice() : bytes;
    return { read: bytes.length - before, isComplete: false };
  }
}
