/**
 * Bytes as text and back, in strict forms: what has two spellings is refused.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

function decode(text: unknown, form: "base64" | "base64url"): Uint8Array {
  if (typeof text !== "string") {
    throw new SyntaxError(`Cannot decode ${form}: not a string`);
  }
  const bytes = Buffer.from(text, form);
  if (bytes.toString(form) !== text) {
    throw new SyntaxError(`Cannot decode ${form}: malformed`);
  }
  return new Uint8Array(bytes);
}

/** Decodes standard base64 with padding ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648) section 4). */
export function decodeBase64(text: unknown): Uint8Array {
  return decode(text, "base64");
}

/** Decodes URL-safe base64 without padding ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648) section 5). */
export function decodeBase64Url(text: unknown): Uint8Array {
  return decode(text, "base64url");
}

/** Encodes as standard base64. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Encodes as URL-safe base64 without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** Whether two byte strings are the same; not for secrets. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** One byte string after another. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The hash of bytes, or of one byte string after another. */
export function hashBytes(
  algorithm: string,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
