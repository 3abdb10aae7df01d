/**
 * Signatures of Notary Project
 * ([JWS envelopes](https://github.com/notaryproject/specifications/blob/main/specs/signature-envelope-jws.md)).
 *
 * @module
 */

import type { PublicKey } from "./public_key.ts";
import type { SignatureScheme } from "./signer.ts";

/** The artifact type of signatures. */
export const NOTATION_ARTIFACT = "application/vnd.cncf.notary.signature";
/** The media type of the envelope. */
export const JWS = "application/jose+json";
/** The annotation that names the certificates. */
export const THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256";
export const PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json";
export const SCHEME = "io.cncf.notary.signingScheme";
export const SIGNING_TIME = "io.cncf.notary.signingTime";
export const AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime";
export const EXPIRY = "io.cncf.notary.expiry";
export const TIMESTAMP = "io.cncf.notary.timestampSignature";
export const AGENT = "io.cncf.notary.signingAgent";

/** How a key signs, and what JWS calls it: the spec leaves no choice. */
export function schemeOf(
  key: PublicKey,
): { name: string; scheme: SignatureScheme } | undefined {
  if (key.algorithm === "ed25519") return undefined;
  if (key.algorithm === "rsa") {
    const bits =
      ({ 2048: 256, 3072: 384, 4096: 512 } as const)[key.bits as 2048];
    return bits === undefined ? undefined : {
      name: `PS${bits}`,
      scheme: { hash: `sha${bits}`, padding: "pss" },
    };
  }
  const bits = ({
    "ecdsa-p256": 256,
    "ecdsa-p384": 384,
    "ecdsa-p521": 512,
  } as const)[key.algorithm];
  return { name: `ES${bits}`, scheme: { hash: `sha${bits}` } };
}
