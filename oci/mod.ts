/**
 * The OCI image specification as types, with digests and platforms. Pure: no permission is needed.
 *
 * ```ts
 * import { parseDigest } from "@containerkit/oci";
 *
 * console.log(parseDigest(`sha256:${"0".repeat(64)}`).algorithm);
 * ```
 *
 * @module
 */

export * from "./descriptor.ts";
export * from "./digest_mismatch_error.ts";
export * from "./parse_digest.ts";
