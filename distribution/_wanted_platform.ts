import { hostPlatform, parsePlatform, type Platform } from "@containerkit/oci";

/** Everything that `-A` allows: only then is /proc open, and asking for it prompts nobody. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

function readCpuinfo(): string | undefined {
  const isAllowed = ALL.every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
  if (!isAllowed) return undefined;
  try {
    return Deno.readTextFileSync("/proc/cpuinfo");
  } catch {
    return undefined;
  }
}

/** The platform an option asks for; without one, that of this machine. */
export function wantedPlatform(
  platform: string | Platform | undefined,
): Platform {
  if (typeof platform === "string") return parsePlatform(platform);
  if (platform !== undefined) return platform;
  const cpuinfo = readCpuinfo();
  return hostPlatform(cpuinfo === undefined ? {} : { cpuinfo });
}
