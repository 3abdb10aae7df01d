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

export * from "./chain_ids.ts";
export * from "./choose_platform.ts";
export * from "./describe.ts";
export * from "./descriptor.ts";
export * from "./digest_bytes.ts";
export * from "./digest_mismatch_error.ts";
export * from "./empty_descriptor.ts";
export * from "./format_platform.ts";
export * from "./host_platform.ts";
export * from "./image_config.ts";
export * from "./image_index.ts";
export * from "./image_manifest.ts";
export * from "./is_digest.ts";
export * from "./is_media_type.ts";
export * from "./matches_platform.ts";
export * from "./media_type.ts";
export * from "./normalize_platform.ts";
export * from "./parse_digest.ts";
export * from "./parse_image_config.ts";
export * from "./parse_manifest.ts";
export * from "./parse_platform.ts";
export * from "./platform_fallbacks.ts";
export * from "./verify_bytes.ts";
export * from "./verify_stream.ts";
