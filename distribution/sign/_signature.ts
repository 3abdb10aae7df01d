/**
 * Checking signatures, and the two ways to write one of ECDSA.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { constants, createPublicKey, verify } from "node:crypto";
import { derSequence, DerTag, expectTag, readDer } from "./_der.ts";
import type { KeyAlgorithm, PublicKey } from "./public_key.ts";
import type { SignatureHash, SignatureScheme } from "./signer.ts";

/** Bytes of one half of a raw ECDSA signature, by curve. */
const HALVES: Readonly<Partial<Record<KeyAlgorithm, number>>> = {
  "ecdsa-p256": 32,
  "ecdsa-p384": 48,
  "ecdsa-p521": 66,
};
/** What node:crypto calls a scheme of a key. */
export function cryptoOptions(
  algorithm: KeyAlgorithm,
  scheme: SignatureScheme,
): { hash: SignatureHash | null; padding?: number; saltLength?: number } {
  if (algorithm === "ed25519") return { hash: null };
  if (algorithm !== "rsa") return { hash: scheme.hash };
  return scheme.padding === "pss"
    ? {
      hash: scheme.hash,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    }
    : { hash: scheme.hash, padding: constants.RSA_PKCS1_PADDING };
}

/**
 * The hash functions that an image may be signed with by a key. Cosign takes SHA-256 whatever the key is, sigstore's registry of algorithms what fits the curve;
 * all of them are sound. The first is what is signed with here: SHA-256, but for P-521, which cannot take it.
 */
export function hashesFor({ algorithm }: PublicKey): readonly SignatureHash[] {
  if (algorithm === "ecdsa-p384") return ["sha256", "sha384"];
  return algorithm === "ecdsa-p521" ? ["sha512"] : ["sha256"];
}

/** How many bytes a raw signature of an ECDSA key has; `undefined` for other keys. */
export function rawSize({ algorithm }: PublicKey): number | undefined {
  const half = HALVES[algorithm];
  return half === undefined ? undefined : half * 2;
}

/** Options of {@linkcode verifySignature}. */
export interface VerifySignatureOptions {
  readonly key: PublicKey;
  readonly scheme: SignatureScheme;
  /** Whether ECDSA's is `r || s` rather than DER. */
  readonly raw?: boolean;
}

/** Whether a signature holds. What node:crypto cannot even read does not. */
export function verifySignature(
  message: Uint8Array,
  signature: Uint8Array,
  { key, scheme, raw = false }: VerifySignatureOptions,
): boolean {
  const { hash, ...padding } = cryptoOptions(key.algorithm, scheme);
  try {
    return verify(hash, message, {
      key: createPublicKey({
        key: Buffer.from(key.spki),
        format: "der",
        type: "spki",
      }),
      ...padding,
      ...(rawSize(key) === undefined
        ? {}
        : { dsaEncoding: raw ? "ieee-p1363" : "der" }),
    }, signature);
  } catch {
    return false;
  }
}

/** Turns a DER signature of ECDSA into `r || s`. */
export function rawSignature(der: Uint8Array, key: PublicKey): Uint8Array {
  const half = rawSize(key)! / 2;
  const raw = new Uint8Array(half * 2);
  derSequence(readDer(der)).forEach((value, index) => {
    const number = expectTag(value, DerTag.Integer).content;
    const digits = number.subarray(Math.max(0, number.length - half));
    raw.set(digits, half * (index + 1) - digits.length);
  });
  return raw;
}
