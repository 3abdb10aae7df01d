/**
 * Signing images, and admitting signed ones only: cosign's own format, sigstore's bundles, attestations and Notary Project's envelopes, offline.
 *
 * ```ts ignore
 * import { pull, push } from "@containerkit/distribution";
 * import { generateKey, keySigner, sign, verifier } from "@containerkit/distribution/sign";
 *
 * const { privateKey, publicKey } = generateKey("ecdsa-p256");
 * await push(await sign(image.descriptor, keySigner(privateKey)), reference);
 * await pull(reference, store, { admit: verifier({ authorities: [{ type: "key", key: publicKey }] }) });
 * ```
 *
 * @module
 */

export * from "./decrypt_key.ts";
export * from "./encrypt_key.ts";
export * from "./generate_key.ts";
export * from "./key_signer.ts";
export * from "./notation_verifier.ts";
export * from "./policy.ts";
export * from "./program_signer.ts";
export * from "./program_verifier.ts";
export * from "./public_key.ts";
export * from "./sign.ts";
export * from "./signature_tag.ts";
export * from "./signer.ts";
export * from "./statement.ts";
export * from "./trusted_root.ts";
export * from "./verification_error.ts";
export * from "./verified.ts";
export * from "./verifier.ts";
