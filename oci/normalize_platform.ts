/**
 * One spelling for each platform.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  i386: "386",
  "x86_64": "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  armhf: "arm",
  armel: "arm",
};

function normalizeVariant(architecture: string, variant: string): string {
  switch (architecture) {
    case "386":
    case "i386":
      return "";
    case "x86_64":
    case "x86-64":
    case "amd64":
      return variant === "v1" ? "" : variant;
    case "aarch64":
    case "arm64":
      if (["8", "v8", "v8.0"].includes(variant)) return "";
      return ["9", "9.0", "v9.0"].includes(variant) ? "v9" : variant;
    case "armhf":
      return "v7";
    case "armel":
      return "v6";
    case "arm":
      if (variant === "") return "v7";
      return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
    default:
      return variant;
  }
}

/**
 * Normalises a platform by containerd's rules: lower case, Go's names, and no variant where it is the default.
 *
 * @param platform In any spelling, such as `linux/x86_64` or `linux/arm64/v8`.
 * @returns The one spelling by which platforms are compared.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md#platform-variants
 *
 * @example Usage
 * ```ts
 * import { normalizePlatform } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(normalizePlatform({ os: "Linux", architecture: "aarch64", variant: "v8" }), {
 *   os: "linux",
 *   architecture: "arm64",
 * });
 * ```
 */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const architecture = platform.architecture.toLowerCase();
  const { variant: given = "", ...rest } = platform;
  const variant = normalizeVariant(architecture, given.toLowerCase());
  return {
    ...rest,
    os: os === "macos" ? "darwin" : os,
    architecture: Object.hasOwn(ARCHITECTURES, architecture)
      ? ARCHITECTURES[architecture]!
      : architecture,
    ...(variant === "" ? {} : { variant }),
  };
}
