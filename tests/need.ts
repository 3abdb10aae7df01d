/** Where peers newer than the system's are unpacked. */
const PEERS = new URL("../.cache/peers/root/usr/bin/", import.meta.url)
  .pathname;
const PLACES = [
  "/usr/bin",
  "/usr/sbin",
  "/bin",
  "/sbin",
  "/usr/local/bin",
  "/usr/lib/cni",
];

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The path of a system program, or `undefined`. */
export function program(name: string): string | undefined {
  return PLACES.map((place) => `${place}/${name}`).find(isFile);
}

/** The path of a peer that is newer than the system's, or `undefined`. */
export function peer(name: string): string | undefined {
  const path = `${PEERS}${name}`;
  return isFile(path) ? path : undefined;
}

/** The reason to skip when one of these programs (system or peer) is missing. */
export function need(...names: string[]): string | undefined {
  const missing = names.filter((name) =>
    program(name) === undefined && peer(name) === undefined
  );
  return missing.length === 0
    ? undefined
    : `program missing: ${missing.join(", ")}`;
}
