import { readHost } from "./_read_host.ts";
import { ALL_CAPABILITIES } from "./_spec_defaults.ts";

/** Every capability that this program can hand on: in a container of its own it has not all there are. */
export function allCapabilities(): string[] {
  const status = readHost("/proc/self/status") ?? "";
  const [, bounding] = /^CapBnd:\s+([0-9a-f]+)$/m.exec(status) ?? [];
  if (bounding === undefined) return [...ALL_CAPABILITIES];
  const bits = BigInt(`0x${bounding}`);
  return ALL_CAPABILITIES.filter((_, bit) => bits >> BigInt(bit) & 1n);
}
