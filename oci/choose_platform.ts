/**
 * Choosing the image for a machine.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";
import { matchesPlatform } from "./matches_platform.ts";
import { platformFallbacks } from "./platform_fallbacks.ts";

/** Options of {@linkcode choosePlatform}. */
export interface ChoosePlatformOptions {
  /**
   * Takes the wanted platform only, not what else such a machine runs.
   *
   * @default {false}
   */
  readonly exact?: boolean;
}

/**
 * Chooses the candidate that fits a platform best: the earliest in the order of `platformFallbacks()`, then the one that uses more of the offered features, then the first.
 *
 * @param candidates Such as the descriptors of an image index. One without a platform is never chosen, nor is an attestation (`unknown/unknown`).
 * @param wanted The machine's platform.
 * @param options Whether an older variant will do.
 * @returns The candidate, or `undefined` if none fits.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md#image-index-property-descriptions
 *
 * @example Usage
 * ```ts
 * import { choosePlatform } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const arm = { platform: { os: "linux", architecture: "arm64", variant: "v8" } };
 * const amd = { platform: { os: "linux", architecture: "amd64" } };
 * const wanted = { os: "linux", architecture: "amd64", variant: "v3" };
 * assertEquals(choosePlatform([arm, amd], wanted), amd);
 * ```
 */
export function choosePlatform<
  T extends { readonly platform?: Platform | undefined },
>(
  candidates: readonly T[],
  wanted: Platform,
  options: ChoosePlatformOptions = {},
): T | undefined {
  const order = options.exact ? [wanted] : platformFallbacks(wanted);
  const features = (candidate: T) =>
    candidate.platform?.["os.features"]?.length ?? 0;
  for (const platform of order) {
    const fitting = candidates.filter((candidate) =>
      candidate.platform !== undefined && candidate.platform.os !== "unknown" &&
      matchesPlatform(candidate.platform, platform)
    );
    // Sorting is stable: the first of the index stays first among equals.
    const [best] = fitting.toSorted((a, b) => features(b) - features(a));
    if (best !== undefined) return best;
  }
  return undefined;
}
