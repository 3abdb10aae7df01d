/**
 * Reading image configs.
 *
 * @module
 */

import {
  checkString,
  checkStrings,
  type Fail,
  type Fields,
  isObject,
  parseObject,
  withoutNulls,
} from "./_json.ts";
import type { ImageConfig } from "./image_config.ts";
import { isDigest } from "./is_digest.ts";

const NUMBERS = [
  "Interval",
  "Timeout",
  "StartPeriod",
  "StartInterval",
  "Retries",
];

/** As Docker reads it, which refuses others too. */
function readHealthcheck(value: unknown, fail: Fail): Fields {
  if (!isObject(value)) return fail('"Healthcheck" is not an object');
  const fields = withoutNulls(value);
  checkStrings(fields, "Test", fail);
  for (const name of NUMBERS) {
    const number = fields[name] ?? 0;
    if (!Number.isInteger(number)) {
      fail(`"${name}" of "Healthcheck" is no integer`);
    }
  }
  return fields;
}

function readConfig(config: Fields, fail: Fail): Fields {
  const { Healthcheck, ...fields } = withoutNulls(config);
  return Healthcheck === undefined
    ? fields
    : { ...fields, Healthcheck: readHealthcheck(Healthcheck, fail) };
}

/**
 * Parses an image config and checks the fields that running and unpacking use.
 *
 * @param bytes The document.
 * @returns The config, with unknown fields kept.
 * @throws {SyntaxError} If it is none.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md
 *
 * @example Usage
 * ```ts
 * import { parseImageConfig } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const config = parseImageConfig(JSON.stringify({
 *   os: "linux",
 *   architecture: "amd64",
 *   rootfs: { type: "layers", diff_ids: [] },
 * }));
 * assertEquals(config.os, "linux");
 * ```
 */
export function parseImageConfig(bytes: Uint8Array | string): ImageConfig {
  const { fields, fail } = parseObject(bytes, "image config");
  const { os, architecture, rootfs, config, history } = fields;
  if (typeof os !== "string" || typeof architecture !== "string") {
    fail('"os" or "architecture" is not a string');
  }
  checkString(fields, "variant", fail);
  checkString(fields, "os.version", fail);
  checkStrings(fields, "os.features", fail);
  if (!isObject(rootfs)) return fail('"rootfs" is not an object');
  const diffIds = rootfs.diff_ids ?? [];
  if (
    !Array.isArray(diffIds) ||
    diffIds.some((id) => typeof id !== "string" || !isDigest(id))
  ) {
    fail('"rootfs.diff_ids" is not a list of digests');
  }
  if (config !== undefined && config !== null) {
    if (!isObject(config)) return fail('"config" is not an object');
    for (const name of ["Env", "Entrypoint", "Cmd"]) {
      checkStrings(config, name, fail);
    }
    for (const name of ["User", "WorkingDir", "StopSignal"]) {
      checkString(config, name, fail);
    }
  }
  if (history !== undefined && history !== null) {
    if (!Array.isArray(history) || !history.every(isObject)) {
      fail('"history" is not a list of steps');
    }
  }
  const { config: _config, history: _history, ...rest } = fields;
  return {
    ...withoutNulls(rest),
    ...(config ? { config: readConfig(config, fail) } : {}),
    ...(history ? { history } : {}),
    rootfs: { ...rootfs, type: "layers", diff_ids: diffIds },
  } as unknown as ImageConfig;
}
