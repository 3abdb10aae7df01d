/**
 * Keys of node:crypto as plain data.
 *
 * @module
 */

import { createPublicKey, type KeyObject } from "node:crypto";
import { hashBytes } from "./_bytes.ts";
import type { KeyAlgorithm, PublicKey } from "./public_key.ts";

/** Curves by OpenSSL's names. */
const CURVES: Readonly<Record<string, [KeyAlgorithm, number]>> = {
  prime256v1: ["ecdsa-p256", 256],
  "P-256": ["ecdsa-p256", 256],
  secp384r1: ["ecdsa-p384", 384],
  "P-384": ["ecdsa-p384", 384],
  secp521r1: ["ecdsa-p521", 521],
  "P-521": ["ecdsa-p521", 521],
};
/** Bits of the smallest RSA key that counts. */
const MIN_RSA = 2048;
/** Bits of the largest: checking takes time by the square of it. */
const MAX_RSA = 8192;
function kindOf(key: KeyObject): [KeyAlgorithm, number] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ed25519") return ["ed25519", 256];
  if (type === "ec") {
    const curve = CURVES[details?.namedCurve ?? ""];
    if (curve !== undefined) return curve;
    throw new TypeError(
      `Cannot use public key: expected curve P-256, P-384 or P-521, found ${details?.namedCurve}`,
    );
  }
  if (type === "rsa") {
    const bits = details?.modulusLength ?? 0;
    if (bits < MIN_RSA || bits > MAX_RSA) {
      throw new RangeError(
        `Cannot use public key: expected RSA of ${MIN_RSA} to ${MAX_RSA} bits, found ${bits}`,
      );
    }
    return ["rsa", bits];
  }
  throw new TypeError(
    `Cannot use public key: expected ECDSA, Ed25519 or RSA, found ${type}`,
  );
}

/** Describes a key of node:crypto; of a private key its public half. */
export function describeKey(key: KeyObject): PublicKey {
  const half = key.type === "private" ? createPublicKey(key) : key;
  const [algorithm, bits] = kindOf(half);
  const spki = new Uint8Array(half.export({ type: "spki", format: "der" }));
  const fingerprint = hashBytes("sha256", spki).toHex();
  return { algorithm, bits, spki, fingerprint };
}
