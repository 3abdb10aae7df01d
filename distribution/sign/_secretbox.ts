/**
 * XSalsa20-Poly1305 as NaCl's `crypto_secretbox` has it, for the key files of cosign. Node's crypto has neither.
 * Both work on key files of a few KiB, so they are written to be read, not to be fast.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";

/** Bytes of a key. */
const KEY = 32;
/** Bytes of a nonce. */
const NONCE = 24;
/** Bytes of the Poly1305 tag in front of the ciphertext. */
const TAG = 16;
/** `expand 32-byte k`, little endian. */
const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;
/** Indexes of the four words of each quarter round: columns, then rows. */
const QUARTERS = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
] as const;
/** The words of a state that HSalsa20 gives back. */
const HSALSA_WORDS = [0, 5, 10, 15, 6, 7, 8, 9] as const;

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from(
    { length: bytes.byteLength / 4 },
    (_, index) => view.getUint32(index * 4, true),
  );
}

function bytesOf(list: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(list.length * 4);
  const view = new DataView(bytes.buffer);
  list.forEach((word, index) => view.setUint32(index * 4, word, true));
  return bytes;
}

function rotate(word: number, count: number): number {
  return (word << count) | (word >>> (32 - count));
}

/** The state that twenty rounds start from: key and sixteen bytes of input between the constants. */
function state(key: Uint8Array, input: readonly number[]): number[] {
  const k = words(key);
  return [
    SIGMA[0],
    ...k.slice(0, 4),
    SIGMA[1],
    ...input,
    SIGMA[2],
    ...k.slice(4),
    SIGMA[3],
  ];
}

function twentyRounds(start: readonly number[]): number[] {
  const x = [...start];
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of QUARTERS) {
      x[b]! ^= rotate((x[a]! + x[d]!) | 0, 7);
      x[c]! ^= rotate((x[b]! + x[a]!) | 0, 9);
      x[d]! ^= rotate((x[c]! + x[b]!) | 0, 13);
      x[a]! ^= rotate((x[d]! + x[c]!) | 0, 18);
    }
  }
  return x;
}

function hsalsa20(key: Uint8Array, input: Uint8Array): Uint8Array {
  const x = twentyRounds(state(key, words(input)));
  return bytesOf(HSALSA_WORDS.map((index) => x[index]!));
}

/** The first `length` bytes of the XSalsa20 key stream. */
function keyStream(
  key: Uint8Array,
  nonce: Uint8Array,
  length: number,
): Uint8Array {
  const subkey = hsalsa20(key, nonce.subarray(0, 16));
  const tail = words(nonce.subarray(16));
  const stream = new Uint8Array(Math.ceil(length / 64) * 64);
  for (let block = 0; block * 64 < length; block++) {
    const start = state(subkey, [...tail, block, 0]);
    const x = twentyRounds(start).map((word, index) => word + start[index]!);
    stream.set(bytesOf(x), block * 64);
  }
  return stream.subarray(0, length);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function poly1305(key: Uint8Array, message: Uint8Array): Uint8Array {
  const prime = (1n << 130n) - 5n;
  const r = littleEndian(key.subarray(0, 16)) &
    0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    const value = littleEndian(block) + (1n << BigInt(8 * block.length));
    sum = ((sum + value) * r) % prime;
  }
  sum += littleEndian(key.subarray(16, 32));
  return Uint8Array.from(
    { length: TAG },
    (_, index) => Number((sum >> BigInt(8 * index)) & 0xffn),
  );
}

function checkSizes(key: Uint8Array, nonce: Uint8Array): void {
  if (key.length !== KEY || nonce.length !== NONCE) {
    throw new RangeError(
      `Cannot use secretbox: expected a key of ${KEY} and a nonce of ${NONCE} bytes, found ${key.length} and ${nonce.length}`,
    );
  }
}

/** Encrypts and authenticates: the tag, then the ciphertext. */
export function sealSecretbox(
  message: Uint8Array,
  options: { key: Uint8Array; nonce: Uint8Array },
): Uint8Array {
  checkSizes(options.key, options.nonce);
  const stream = keyStream(options.key, options.nonce, 32 + message.length);
  const box = new Uint8Array(TAG + message.length);
  message.forEach((byte, index) =>
    box[TAG + index] = byte ^ stream[32 + index]!
  );
  box.set(poly1305(stream, box.subarray(TAG)));
  return box;
}

/** Undoes {@linkcode sealSecretbox}; `undefined` if the key is wrong or the box was changed. */
export function openSecretbox(
  box: Uint8Array,
  options: { key: Uint8Array; nonce: Uint8Array },
): Uint8Array | undefined {
  checkSizes(options.key, options.nonce);
  if (box.length < TAG) return undefined;
  const sealed = box.subarray(TAG);
  const stream = keyStream(options.key, options.nonce, 32 + sealed.length);
  const tag = poly1305(stream, sealed);
  if (!timingSafeEqual(tag, box.subarray(0, TAG))) return undefined;
  return sealed.map((byte, index) => byte ^ stream[32 + index]!);
}
