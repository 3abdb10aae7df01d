/**
 * Public keys: what signatures are checked with.
 *
 * @module
 */

import { createPublicKey, type KeyObject } from "node:crypto";
import { Buffer } from "node:buffer";
import { describeKey } from "./_describe_key.ts";
import { derChildren, DerTag, readDer } from "./_der.ts";

/** The kinds of keys that sign images. */
export type KeyAlgorithm =
  | "ecdsa-p256"
  | "ecdsa-p384"
  | "ecdsa-p521"
  | "ed25519"
  | "rsa";

/** A public key as plain data. */
export interface PublicKey {
  /** What kind of key it is. */
  readonly algorithm: KeyAlgorithm;
  /** Its size in bits. */
  readonly bits: number;
  /** The key itself: DER of its SubjectPublicKeyInfo, [RFC 5280](https://www.rfc-editor.org/rfc/rfc5280#section-4.1). */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** SHA-256 of `spki` in hexadecimal: the name of the key in messages. */
  readonly fingerprint: string;
}

/** Bytes of the largest text that is looked at. */
const MAX_TEXT = 64 * 1024;

/** A SubjectPublicKeyInfo begins with a sequence, PKCS #1 with an integer inside its own. */
function readDerKey(bytes: Uint8Array): KeyObject {
  const type = derChildren(readDer(bytes))[0]?.tag === DerTag.Integer
    ? "pkcs1"
    : "spki";
  return createPublicKey({ key: Buffer.from(bytes), format: "der", type });
}

/**
 * Parses a public key.
 *
 * @param key PEM (`PUBLIC KEY`, or PKCS #1's `RSA PUBLIC KEY`), or DER of a SubjectPublicKeyInfo or of PKCS #1.
 * @returns The key as plain data.
 * @throws {SyntaxError} If it is not a public key.
 * @throws {TypeError} If it is one of another kind.
 * @throws {RangeError} If it is RSA of fewer than 2048 or more than 8192 bits, or larger than 64 KiB.
 *
 * @example Usage
 * ```ts
 * import { generateKey, parsePublicKey } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const { publicKey } = generateKey("ed25519");
 * assertEquals(parsePublicKey(publicKey).algorithm, "ed25519");
 * ```
 */
export function parsePublicKey(key: string | Uint8Array): PublicKey {
  if (key.length > MAX_TEXT) {
    throw new RangeError(
      `Cannot parse public key: larger than ${MAX_TEXT} bytes`,
    );
  }
  if (
    typeof key === "string" && !/-----BEGIN (RSA )?PUBLIC KEY-----/.test(key)
  ) {
    throw new SyntaxError(
      'Cannot parse public key: expected PEM with the label "PUBLIC KEY"',
    );
  }
  let object: KeyObject;
  try {
    object = typeof key === "string"
      ? createPublicKey({ key, format: "pem" })
      : readDerKey(key);
  } catch (cause) {
    throw new SyntaxError("Cannot parse public key: malformed", { cause });
  }
  return describeKey(object);
}
