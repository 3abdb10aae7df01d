/**
 * Platforms as text.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";

/**
 * Writes a platform as the specifier that `parsePlatform()` reads.
 *
 * @param platform Normalised or not.
 * @returns Such as `linux/arm/v7`.
 *
 * @example Usage
 * ```ts
 * import { formatPlatform } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatPlatform({ os: "linux", architecture: "amd64" }), "linux/amd64");
 * ```
 */
export function formatPlatform(platform: Platform): string {
  const version = platform["os.version"] ?? "";
  const features = (platform["os.features"] ?? []).map((name) => `+${name}`)
    .join("");
  const os = version === "" && features === ""
    ? platform.os
    : `${platform.os}(${version}${features})`;
  return [os, platform.architecture, platform.variant ?? ""]
    .filter((part) => part !== "").join("/");
}
