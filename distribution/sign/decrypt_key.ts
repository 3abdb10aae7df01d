/**
 * Reading the encrypted private keys of cosign.
 *
 * @module
 */

import { scryptSync } from "node:crypto";
import { decodeBase64 } from "./_bytes.ts";
import { LABELS } from "./_encrypted_key.ts";
import { isRecord, parseJson } from "./_json.ts";
import { decodePem, encodePem } from "./_pem.ts";
import { openSecretbox } from "./_secretbox.ts";

/** Bytes of memory that a file may make scrypt use. */
const MAX_MEMORY = 512 * 1024 * 1024;

function fail(why: string, cause?: unknown): never {
  throw new SyntaxError(`Cannot decrypt key: ${why}`, { cause });
}

function scryptParameters(
  params: unknown,
): { N: number; r: number; p: number; maxmem: number } {
  const { N, r, p } = isRecord(params) ? params : {};
  if (
    typeof N !== "number" || typeof r !== "number" || typeof p !== "number" ||
    !Number.isSafeInteger(N) || N < 2 || (N & (N - 1)) !== 0 ||
    !Number.isSafeInteger(r) || r < 1 || !Number.isSafeInteger(p) || p < 1 ||
    p > 16 || 128 * N * r > MAX_MEMORY
  ) {
    fail("the parameters of scrypt are out of range");
  }
  return { N, r, p, maxmem: 2 * MAX_MEMORY };
}

/**
 * Decrypts a private key that cosign (or {@linkcode encryptKey}) encrypted.
 *
 * @param encrypted PEM with the label `ENCRYPTED SIGSTORE PRIVATE KEY` or `ENCRYPTED COSIGN PRIVATE KEY`.
 * @param password The password.
 * @returns PEM of the key as PKCS #8.
 * @throws {SyntaxError} If the text is not such a key.
 * @throws {Deno.errors.PermissionDenied} If the password is wrong, or the file was changed.
 *
 * @example Usage
 * ```ts
 * import { decryptKey, generateKey } from "@containerkit/distribution/sign";
 * import { assertThrows } from "@std/assert";
 *
 * const { privateKey } = generateKey("ecdsa-p256", { password: "secret" });
 * assertThrows(() => decryptKey(privateKey, "Secret"), Deno.errors.PermissionDenied);
 * ```
 */
export function decryptKey(encrypted: string, password: string): string {
  const block = decodePem(encrypted).find(({ label }) =>
    LABELS.includes(label)
  );
  if (block === undefined) fail(`expected PEM with the label "${LABELS[0]}"`);
  const { kdf, cipher, ciphertext } = parseJson(block.bytes, "encrypted key");
  if (!isRecord(kdf) || kdf.name !== "scrypt") fail("expected the kdf scrypt");
  if (!isRecord(cipher) || cipher.name !== "nacl/secretbox") {
    fail("expected the cipher nacl/secretbox");
  }
  const parameters = scryptParameters(kdf.params);
  const nonce = decodeBase64(cipher.nonce);
  if (nonce.length !== 24) fail("expected a nonce of 24 bytes");
  const box = decodeBase64(ciphertext);
  const key = scryptSync(password, decodeBase64(kdf.salt), 32, parameters);
  const bytes = openSecretbox(box, { key, nonce });
  if (bytes === undefined) {
    throw new Deno.errors.PermissionDenied(
      "Cannot decrypt key: the password is wrong, or the file was changed",
    );
  }
  return encodePem({ label: "PRIVATE KEY", bytes });
}
