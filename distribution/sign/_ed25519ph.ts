/**
 * Checking signatures of Ed25519ph ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032#section-5.1)), which cosign makes with Ed25519 keys: over the hash of the message.
 * Neither node:crypto nor Web Crypto has it. Everything here is public, so that time may tell of it.
 *
 * @module
 */

import { hashBytes } from "./_bytes.ts";

const P = 2n ** 255n - 19n;
/** The order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
/** -121665 / 121666. */
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
const SQRT_MINUS_1 =
  0x2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0n;
/** 4 / 5. */
const BASE_Y =
  0x6666666666666666666666666666666666666666666666666666666666666658n;
/** What keeps the hash apart from that of plain Ed25519. */
const DOMAIN = new Uint8Array([
  ...new TextEncoder().encode("SigEd25519 no Ed25519 collisions"),
  1,
  0,
]);

/** A point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
interface Point {
  readonly x: bigint;
  readonly y: bigint;
  readonly z: bigint;
  readonly t: bigint;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** The point with a y coordinate and the sign of x; `undefined` if there is none. */
function pointOf(y: bigint, sign: bigint): Point | undefined {
  if (y >= P) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  const v3 = mod(v * v * v);
  let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
  const check = mod(v * x * x);
  if (check !== u) {
    if (check !== mod(-u)) return undefined;
    x = mod(x * SQRT_MINUS_1);
  }
  if (x === 0n && sign === 1n) return undefined;
  if ((x & 1n) !== sign) x = P - x;
  return { x, y, z: 1n, t: mod(x * y) };
}

function decode(bytes: Uint8Array): Point | undefined {
  const value = littleEndian(bytes);
  return pointOf(value & (2n ** 255n - 1n), value >> 255n);
}

function add(p: Point, q: Point): Point {
  const a = mod((p.y - p.x) * (q.y - q.x));
  const b = mod((p.y + p.x) * (q.y + q.x));
  const c = mod(2n * p.t * q.t * D);
  const d = mod(2n * p.z * q.z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { x: mod(e * f), y: mod(g * h), t: mod(e * h), z: mod(f * g) };
}

function multiply(point: Point, factor: bigint): Point {
  let result: Point = { x: 0n, y: 1n, z: 1n, t: 0n };
  let double = point;
  for (let rest = factor; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = add(result, double);
    double = add(double, double);
  }
  return result;
}

function isSame(p: Point, q: Point): boolean {
  return mod(p.x * q.z - q.x * p.z) === 0n && mod(p.y * q.z - q.y * p.z) === 0n;
}

/**
 * Whether a signature holds.
 *
 * @param message The message; its SHA-512 is what was signed.
 * @param signature 64 bytes.
 * @param spki DER of the SubjectPublicKeyInfo of an Ed25519 key.
 */
export function verifyEd25519ph(
  message: Uint8Array,
  signature: Uint8Array,
  spki: Uint8Array,
): boolean {
  const encoded = spki.subarray(-32);
  const key = decode(encoded);
  const r = decode(signature.subarray(0, 32));
  const s = littleEndian(signature.subarray(32));
  if (
    signature.length !== 64 || key === undefined || r === undefined || s >= L
  ) return false;
  const hash = hashBytes(
    "sha512",
    DOMAIN,
    signature.subarray(0, 32),
    encoded,
    hashBytes("sha512", message),
  );
  const base = pointOf(BASE_Y, 0n)!;
  const right = add(r, multiply(key, littleEndian(hash) % L));
  return isSame(multiply(base, s), right);
}
