/**
 * The platform of this machine.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";

const AMD64_LEVELS: readonly (readonly string[])[] = [
  ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"],
  ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"],
  ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
];

/** Options of {@linkcode hostPlatform}. */
export interface HostPlatformOptions {
  /** The text of `/proc/cpuinfo`; without it the variant is the lowest. */
  readonly cpuinfo?: string;
}

/** The highest x86-64 level of which the kernel reports every feature. */
function amd64Variant(cpuinfo: string): string | undefined {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/));
  const missing = AMD64_LEVELS.findIndex((level) =>
    !level.every((flag) => flags.has(flag))
  );
  const level = (missing === -1 ? AMD64_LEVELS.length : missing) + 1;
  return level === 1 ? undefined : `v${level}`;
}

/**
 * Tells the platform of this machine. Pure: whoever may read `/proc/cpuinfo` passes it on.
 *
 * @param options The description of the CPU, which tells the variant.
 * @returns The platform, normalised.
 *
 * @see https://gitlab.com/x86-psABIs/x86-64-ABI for the levels of x86-64
 *
 * @example Usage
 * ```ts
 * import { hostPlatform } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(["amd64", "arm64"].includes(hostPlatform().architecture));
 * ```
 */
export function hostPlatform(options: HostPlatformOptions = {}): Platform {
  const { os, arch } = Deno.build;
  if (arch === "aarch64") return { os, architecture: "arm64" };
  const variant = options.cpuinfo === undefined
    ? undefined
    : amd64Variant(options.cpuinfo);
  return {
    os,
    architecture: "amd64",
    ...(variant === undefined ? {} : { variant }),
  };
}
