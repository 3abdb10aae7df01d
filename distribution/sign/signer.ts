/**
 * What signs.
 *
 * @module
 */

import type { PublicKey } from "./public_key.ts";

/** The hash functions that signatures are made over. */
export type SignatureHash = "sha256" | "sha384" | "sha512";

/** How a message becomes a signature; the kind of key says the rest. */
export interface SignatureScheme {
  /** The hash function; Ed25519 takes the message itself instead. */
  readonly hash: SignatureHash;
  /**
   * What RSA does: PKCS #1 v1.5, or PSS with a salt as long as the hash.
   *
   * @default {"pkcs1"}
   */
  readonly padding?: "pkcs1" | "pss";
}

/** Options of {@linkcode Signer.sign}. */
export interface SignOptions {
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/**
 * Something that signs: a key file, a key management service, a hardware token. `keySigner()` makes one of a key,
 * `programSigner()` one of an external program; a plain object with these fields is one too.
 */
export interface Signer {
  /** The key that its signatures are checked with. */
  readonly publicKey: PublicKey;
  /** DER of its certificate and of those that vouch for it, the leaf first. Notation needs them. */
  readonly certificates?: readonly Uint8Array[];
  /**
   * Signs.
   *
   * @param message The message, a few KiB at most; not its hash.
   * @param scheme How to sign.
   * @returns The signature; that of ECDSA as DER.
   */
  sign(
    message: Uint8Array,
    scheme: SignatureScheme,
    options?: SignOptions,
  ): Promise<Uint8Array>;
}
