/**
 * What else a machine runs.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";
import { normalizePlatform } from "./normalize_platform.ts";

const ARM32 = ["v8", "v7", "v6", "v5"];

/** `v8.4`, `v8.3` ... `v8`. */
function minors(major: number, minor: number): string[] {
  const list: string[] = [];
  for (; minor > 0; minor--) list.push(`v${major}.${minor}`);
  return [...list, `v${major}`];
}

function arm64Variants(variant: string): string[] {
  const [, major, minor = "0"] = /^v(\d+)(?:\.(\d+))?$/.exec(variant) ?? [];
  // Armv9.M has all of Armv8.(M+5).
  if (major === "9") {
    return [...minors(9, Number(minor)), ...minors(8, Number(minor) + 5)];
  }
  return major === "8" ? minors(8, Number(minor)) : [variant];
}

/**
 * Lists the platforms a machine runs, the best first, by containerd's rules: older variants, then 32 bits.
 *
 * @param platform The machine's own, or the one that is wanted.
 * @returns Normalised platforms; the first is the given one.
 *
 * @example Usage
 * ```ts
 * import { formatPlatform, platformFallbacks } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const list = platformFallbacks({ os: "linux", architecture: "amd64", variant: "v2" });
 * assertEquals(list.map(formatPlatform), ["linux/amd64/v2", "linux/amd64", "linux/386"]);
 * ```
 */
export function platformFallbacks(platform: Platform): Platform[] {
  const own = normalizePlatform(platform);
  const { architecture, variant = "", ...rest } = own;
  const of = (architecture: string, variants: readonly string[]) =>
    variants.map((variant) =>
      normalizePlatform({ ...rest, architecture, variant })
    );
  switch (architecture) {
    case "amd64": {
      const level = Number(/^v(\d)$/.exec(variant)?.[1] ?? 1);
      const older = Array.from(
        { length: level - 1 },
        (_, index) => `v${level - 1 - index}`,
      );
      return [own, ...of("amd64", older), ...of("386", [""])];
    }
    case "arm": {
      const at = ARM32.indexOf(variant);
      return [own, ...of("arm", at === -1 ? [] : ARM32.slice(at + 1))];
    }
    case "arm64":
      return [
        own,
        ...of("arm64", arm64Variants(variant || "v8").slice(1)),
        ...of("arm", ARM32),
      ];
    default:
      return [own];
  }
}
