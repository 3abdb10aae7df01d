/**
 * Encrypting private keys as cosign does.
 *
 * @module
 */

import { randomBytes, scryptSync } from "node:crypto";
import { encodeBase64 } from "./_bytes.ts";
import { decodePem, encodePem } from "./_pem.ts";
import { sealSecretbox } from "./_secretbox.ts";

/** The cost of trying one password: 64 MiB and some 0.2 s. It is what cosign takes and what it insists on. */
const SCRYPT = { N: 65536, r: 8, p: 1 } as const;

/**
 * Encrypts a private key as cosign does: scrypt, then XSalsa20-Poly1305.
 *
 * @param privateKey PEM of the key as PKCS #8 (`PRIVATE KEY`).
 * @param password The password; it may be empty, as cosign's.
 * @returns PEM with the label `ENCRYPTED SIGSTORE PRIVATE KEY`, which cosign reads.
 * @throws {SyntaxError} If the key is not a PKCS #8 PEM.
 *
 * @example Usage
 * ```ts
 * import {
 *   decryptKey,
 *   encryptKey,
 *   generateKey,
 * } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKey } = generateKey("ecdsa-p256");
 * const sealed = encryptKey(privateKey, "secret");
 * assertEquals(decryptKey(sealed, "secret"), privateKey);
 * ```
 */
export function encryptKey(privateKey: string, password: string): string {
  const block = decodePem(privateKey).find(({ label }) =>
    label === "PRIVATE KEY"
  );
  if (block === undefined) {
    throw new SyntaxError(
      'Cannot encrypt key: expected PEM with the label "PRIVATE KEY"',
    );
  }
  const salt = randomBytes(32);
  const nonce = randomBytes(24);
  const key = scryptSync(password, salt, 32, {
    ...SCRYPT,
    maxmem: 256 * SCRYPT.N * SCRYPT.r,
  });
  const document = {
    kdf: { name: "scrypt", params: SCRYPT, salt: encodeBase64(salt) },
    cipher: { name: "nacl/secretbox", nonce: encodeBase64(nonce) },
    ciphertext: encodeBase64(sealSecretbox(block.bytes, { key, nonce })),
  };
  return encodePem({
    label: "ENCRYPTED SIGSTORE PRIVATE KEY",
    bytes: new TextEncoder().encode(JSON.stringify(document)),
  });
}
