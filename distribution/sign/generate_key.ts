/**
 * New keys.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import { encryptKey } from "./encrypt_key.ts";
import type { KeyAlgorithm } from "./public_key.ts";

/** Options of {@linkcode generateKey}. */
export interface GenerateKeyOptions {
  /** Encrypts the private key as cosign does. */
  readonly password?: string;
  /**
   * Bits of an RSA key.
   *
   * @default {3072}
   */
  readonly bits?: number;
}

/** A new pair of keys. */
export interface KeyPair {
  /** PEM of the private key: PKCS #8, or cosign's encrypted form if there is a password. */
  readonly privateKey: string;
  /** PEM of the public key. */
  readonly publicKey: string;
}

const CURVES = {
  "ecdsa-p256": "P-256",
  "ecdsa-p384": "P-384",
  "ecdsa-p521": "P-521",
} as const;

/**
 * Makes a pair of keys.
 *
 * @param algorithm What kind; `"ecdsa-p256"` is what cosign makes.
 * @param options The password, and the size.
 * @returns Both keys as PEM.
 * @throws {RangeError} If RSA is to have fewer than 2048 bits, or more than 8192, which nothing here reads.
 *
 * @example Usage
 * ```ts
 * import { generateKey, keySigner } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKey } = generateKey("ecdsa-p256", { password: "secret" });
 * const signer = keySigner(privateKey, { password: "secret" });
 * assertEquals(signer.publicKey.algorithm, "ecdsa-p256");
 * ```
 */
export function generateKey(
  algorithm: KeyAlgorithm = "ecdsa-p256",
  options: GenerateKeyOptions = {},
): KeyPair {
  const { bits = 3072, password } = options;
  if (bits < 2048 || bits > 8192) {
    throw new RangeError(
      `Cannot generate key: expected RSA of 2048 to 8192 bits, found ${bits}`,
    );
  }
  const pair = algorithm === "ed25519"
    ? generateKeyPairSync("ed25519")
    : algorithm === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: bits })
    : generateKeyPairSync("ec", { namedCurve: CURVES[algorithm] });
  const privateKey = pair.privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
  return {
    privateKey: password === undefined
      ? privateKey
      : encryptKey(privateKey, password),
    publicKey: pair.publicKey.export({ type: "spki", format: "pem" })
      .toString(),
  };
}
