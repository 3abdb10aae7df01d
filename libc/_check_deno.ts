/** The oldest release whose descriptors, threads and FFI behave as this package needs. */
const OLDEST = [2, 9, 6] as const;

/** @throws {Deno.errors.NotSupported} If a release of Deno is too old. */
export function checkDeno(version: string): void {
  const found = version.split(".").map((part) => parseInt(part, 10));
  const at = OLDEST.findIndex((part, index) => part !== found[index]);
  if (at < 0 || found[at]! > OLDEST[at]!) return;
  throw new Deno.errors.NotSupported(
    `Cannot open libc: Deno ${
      OLDEST.join(".")
    } or newer is needed, this is ${version}`,
  );
}
