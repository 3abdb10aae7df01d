/** The architecture of this machine, by Go's name. */
export const architectureOfMachine = (): string =>
  Deno.build.arch === "aarch64" ? "arm64" : "amd64";

function majorMinor(version: string): [number, number] {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return [Number(major), Number(minor)];
}

/** Whether the version of a kernel, such as `6.1.0-13-amd64`, is before another, such as `4.8`. */
export function isOlder(kernel: string, than: string): boolean {
  const [a, b] = majorMinor(kernel);
  const [major, minor] = majorMinor(than);
  return a < major || (a === major && b < minor);
}
