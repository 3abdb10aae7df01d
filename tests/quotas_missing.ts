import { gunzipSync } from "node:zlib";

/** The reason to skip tests of project quotas: kernels say how they were made, or have them. */
export function quotasMissing(): string | undefined {
  let config: Uint8Array;
  try {
    config = Deno.readFileSync("/proc/config.gz");
  } catch {
    return undefined;
  }
  return /^CONFIG_QFMT_V2=/m.test(gunzipSync(config).toString())
    ? undefined
    : "this kernel has no project quotas";
}
