/**
 * Comparing platforms.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";
import { normalizePlatform } from "./normalize_platform.ts";

/**
 * Whether an image for one platform is what was asked for: operating system, architecture and variant are equal once normalised, and every feature it needs is offered.
 *
 * @param platform The image's.
 * @param wanted What was asked for. Its `os.version`, if given, has to start the image's.
 * @returns Whether it fits, without falling back to an older variant.
 *
 * @example Usage
 * ```ts
 * import { matchesPlatform } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(matchesPlatform(
 *   { os: "linux", architecture: "arm64", variant: "v8" },
 *   { os: "linux", architecture: "arm64" },
 * ));
 * ```
 */
export function matchesPlatform(platform: Platform, wanted: Platform): boolean {
  const a = normalizePlatform(platform);
  const b = normalizePlatform(wanted);
  const offered = b["os.features"] ?? [];
  const version = a["os.version"] ?? "";
  const wantedVersion = b["os.version"] ?? "";
  return a.os === b.os && a.architecture === b.architecture &&
    (a.variant ?? "") === (b.variant ?? "") &&
    (a["os.features"] ?? []).every((name) => offered.includes(name)) &&
    (wantedVersion === "" || version === "" || version === wantedVersion ||
      version.startsWith(`${wantedVersion}.`));
}
