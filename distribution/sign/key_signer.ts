/**
 * Signing with a key at hand.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { isEncryptedKey } from "./_encrypted_key.ts";
import { decryptKey } from "./decrypt_key.ts";
import { parseCertificate } from "./_certificate.ts";
import { decodePem } from "./_pem.ts";
import { cryptoOptions } from "./_signature.ts";
import { describeKey } from "./_describe_key.ts";
import type { Signer } from "./signer.ts";

/** Options of {@linkcode keySigner}. */
export interface KeySignerOptions {
  /** The password, if the key is encrypted. */
  readonly password?: string;
  /** PEM of the certificate of the key and of those that vouch for it, the leaf first. */
  readonly certificates?: string;
}

function readKey(pem: string, password: string | undefined): KeyObject {
  const isCosign = isEncryptedKey(pem);
  if (isCosign && password === undefined) {
    throw new TypeError("Cannot read private key: it needs a password");
  }
  const plain = isCosign ? decryptKey(pem, password!) : pem;
  try {
    return createPrivateKey({
      key: Buffer.from(plain),
      format: "pem",
      ...(password === undefined || isCosign ? {} : { passphrase: password }),
    });
  } catch (cause) {
    if (plain.includes("ENCRYPTED")) {
      if (password === undefined) {
        throw new TypeError("Cannot read private key: it needs a password");
      }
      throw new Deno.errors.PermissionDenied(
        "Cannot read private key: the password is wrong, or the file was changed",
        { cause },
      );
    }
    throw new SyntaxError("Cannot read private key: malformed", { cause });
  }
}

/**
 * Makes a signer of a private key.
 *
 * @param privateKey PEM: PKCS #8 (plain or encrypted), SEC 1, PKCS #1, or cosign's encrypted form.
 * @param options The password, and the certificates.
 * @returns The signer.
 * @throws {SyntaxError} If it is not a private key.
 * @throws {TypeError} If it needs a password, is of another kind, or the certificate is of another key.
 * @throws {Deno.errors.PermissionDenied} If the password is wrong.
 *
 * @example Usage
 * ```ts
 * import { generateKey, keySigner } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const signer = keySigner(generateKey("ed25519").privateKey);
 * const signature = await signer.sign(new Uint8Array(3), { hash: "sha512" });
 * assertEquals(signature.length, 64);
 * ```
 */
export function keySigner(
  privateKey: string,
  options: KeySignerOptions = {},
): Signer {
  const key = readKey(privateKey, options.password);
  const publicKey = describeKey(key);
  const certificates = options.certificates === undefined
    ? undefined
    : decodePem(options.certificates)
      .filter(({ label }) => label === "CERTIFICATE")
      .map(({ bytes }) => bytes);
  if (certificates !== undefined) {
    const [leaf] = certificates;
    if (leaf === undefined) {
      throw new SyntaxError("Cannot read certificates: there is none");
    }
    if (parseCertificate(leaf).key?.fingerprint !== publicKey.fingerprint) {
      throw new TypeError("Cannot use certificate: it is of another key");
    }
  }
  return {
    publicKey,
    ...(certificates === undefined ? {} : { certificates }),
    sign(message, scheme, { signal } = {}) {
      signal?.throwIfAborted();
      const { hash, ...padding } = cryptoOptions(publicKey.algorithm, scheme);
      return Promise.resolve(
        new Uint8Array(sign(hash, message, { key, ...padding })),
      );
    },
  };
}
