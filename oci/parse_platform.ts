/**
 * Platforms as users write them.
 *
 * @module
 */

import type { Platform } from "./descriptor.ts";
import { normalizePlatform } from "./normalize_platform.ts";

const OSES: ReadonlySet<string> = new Set([
  "aix",
  "android",
  "darwin",
  "dragonfly",
  "freebsd",
  "illumos",
  "ios",
  "js",
  "linux",
  "macos",
  "netbsd",
  "openbsd",
  "plan9",
  "solaris",
  "wasip1",
  "windows",
]);
const WORD_REGEXP = /^[A-Za-z0-9_.-]+$/;
const OS_REGEXP =
  /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)((?:\+[A-Za-z0-9_.-]+)*)\))?$/;

/** Options of {@linkcode parsePlatform}. */
export interface ParsePlatformOptions {
  /**
   * The operating system of a specifier that names an architecture only.
   *
   * @default {"linux"}
   */
  readonly os?: string;
  /**
   * The architecture of a specifier that names an operating system only.
   *
   * @default {"amd64"}
   */
  readonly architecture?: string;
}

/**
 * Parses a platform specifier: `os[(version[+feature]*)]/architecture[/variant]`, or one word of these.
 *
 * @param specifier Such as `linux/arm64/v8`, `arm64` or `windows(10.0.17763)/amd64`.
 * @param options What a single word leaves open.
 * @returns The platform, normalised.
 * @throws {SyntaxError} If it is no specifier.
 *
 * @example Usage
 * ```ts
 * import { parsePlatform } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePlatform("linux/arm"), {
 *   os: "linux",
 *   architecture: "arm",
 *   variant: "v7",
 * });
 * ```
 */
export function parsePlatform(
  specifier: string,
  options: ParsePlatformOptions = {},
): Platform {
  const {
    os: defaultOs = "linux",
    architecture: defaultArchitecture = "amd64",
  } = options;
  const fail = (why: string): never => {
    throw new SyntaxError(
      `Cannot parse platform ${JSON.stringify(specifier)}: ${why}`,
    );
  };
  const parts = specifier.split("/");
  if (parts.length > 3) fail("it has more than three parts");
  const [first = "", ...rest] = parts;
  const [, os, version = "", features = ""] = OS_REGEXP.exec(first) ??
    fail(`"${first}" is no operating system`);
  if (rest.some((part) => !WORD_REGEXP.test(part))) {
    fail("a part is empty or has other characters than letters, digits, . _ -");
  }
  const [architecture, variant] = rest;
  if (architecture === undefined && !OSES.has(os!.toLowerCase())) {
    if (first.includes("(")) fail(`"${os}" is no operating system`);
    return normalizePlatform({ os: defaultOs, architecture: first });
  }
  return normalizePlatform({
    os: os!,
    architecture: architecture ?? defaultArchitecture,
    ...(version === "" ? {} : { "os.version": version }),
    ...(features === "" ? {} : { "os.features": features.slice(1).split("+") }),
    ...(variant === undefined ? {} : { variant }),
  });
}
