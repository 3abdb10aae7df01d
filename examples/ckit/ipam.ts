import { lockFile, writeFileAtomic } from "@containerkit/state";

/** The addresses of one root's containers: a bridge and a subnet, chosen once per boot. */
export interface Subnet {
  /** Name of the bridge, at most 15 bytes. */
  readonly bridge: string;
  /** The first three numbers of the subnet, such as `10.89.7`. */
  readonly prefix: string;
  /** Address of the bridge with its length, such as `10.89.7.1/24`. */
  readonly gateway: string;
}

/** Options of {@linkcode subnetOf}. */
export interface SubnetOptions {
  /**
   * The file that says which state folder of this host has which subnet.
   *
   * @default {"/run/containerkit/subnets.json"}
   */
  readonly claims?: string;
  /** Ends the waiting for others that choose. */
  readonly signal?: AbortSignal;
}

const CLAIMS = "/run/containerkit/subnets.json";

function hash(text: string): number {
  let value = 2166136261;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 16777619) >>> 0;
  }
  return value;
}

/** The name of the bridge of a state folder. */
export function bridgeOf(state: string): string {
  return `ckit-${hash(state).toString(16).padStart(8, "0")}`;
}

/** The second and third numbers of the 10.x.y networks that the host routes already. */
function routedNetworks(): Set<string> {
  const lines = Deno.readTextFileSync("/proc/net/route").split("\n").slice(1);
  return new Set(
    lines.map((line) => line.split("\t")[1] ?? "").map((hex) =>
      [6, 4, 2].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(".")
    ),
  );
}

/** What others may remove meanwhile. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function readJson<T>(path: string): T | undefined {
  return ifThere(() => JSON.parse(Deno.readTextFileSync(path)));
}

function readSubnet(state: string): Subnet | undefined {
  return readJson(`${state}/subnet.json`);
}

/** Which folder has which subnet; a folder that is gone, or was killed before it took what it chose, has none. */
function readClaims(path: string): Record<string, string> {
  const claims = Object.entries(readJson<Record<string, string>>(path) ?? {});
  return Object.fromEntries(
    claims.filter(([prefix, state]) => readSubnet(state)?.prefix === prefix),
  );
}

/**
 * The subnet of a state folder: the same for its life, another for each folder, none that the host routes already.
 *
 * @throws {Error} If none is free.
 */
export async function subnetOf(
  state: string,
  { claims = CLAIMS, signal }: SubnetOptions = {},
): Promise<Subnet> {
  const found = readSubnet(state);
  if (found !== undefined) return found;
  const folder = claims.slice(0, claims.lastIndexOf("/"));
  for (const path of [state, folder]) {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  // A bridge has a route only while it has ports: what folders chose stands in a file.
  using _lock = await lockFile(`${claims}.lock`, signal ? { signal } : {});
  const chosen = readSubnet(state);
  if (chosen !== undefined) return chosen;
  const taken = readClaims(claims);
  const routed = routedNetworks();
  const seed = hash(state);
  for (let tried = 0; tried < 256; tried++) {
    const prefix = `10.89.${(seed + tried) % 256}`;
    if (routed.has(prefix) || taken[prefix] !== undefined) continue;
    const subnet: Subnet = {
      bridge: bridgeOf(state),
      prefix,
      gateway: `${prefix}.1/24`,
    };
    const write = (path: string, value: object) =>
      writeFileAtomic(path, JSON.stringify(value), { durable: false });
    write(claims, { ...taken, [prefix]: state });
    write(`${state}/subnet.json`, subnet);
    return subnet;
  }
  throw new Error(
    "Cannot choose a subnet: all of 10.89.0.0/16 is routed, or other state folders have it",
  );
}

/** An address that a container holds until it is released. */
export interface Lease extends Disposable {
  /** The address with its length, such as `10.89.7.2/24`. */
  readonly address: string;
  /** Leaves it to the container; `releaseAddress` gives it back later. */
  keep(): void;
}

/**
 * Takes a free address: a file per address that says whose it is. Creating it
 * exclusively is the lock, so that any number of processes may ask at once.
 *
 * @throws {Error} If none is free.
 */
export function leaseAddress(
  state: string,
  { owner, prefix }: Pick<Subnet, "prefix"> & { readonly owner: string },
): Lease {
  const folder = `${state}/addresses`;
  Deno.mkdirSync(folder, { recursive: true });
  for (let host = 2; host < 255; host++) {
    const file = `${folder}/${prefix}.${host}`;
    try {
      Deno.writeTextFileSync(file, owner, { createNew: true });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) continue;
      throw error;
    }
    let kept = false;
    return {
      address: `${prefix}.${host}/24`,
      keep: () => void (kept = true),
      [Symbol.dispose]: () => kept ? undefined : Deno.removeSync(file),
    };
  }
  throw new Error(`Cannot lease an address: all of ${prefix}.0/24 are taken`);
}

/** The addresses that an owner holds, without their length. */
export function addressesOf(state: string, owner: string): string[] {
  const folder = `${state}/addresses`;
  const isOwners = (address: string) =>
    ifThere(() => Deno.readTextFileSync(`${folder}/${address}`)) === owner;
  return (ifThere(() => [...Deno.readDirSync(folder)]) ?? [])
    .map(({ name }) => name).filter(isOwners);
}

/** Gives back what an owner holds. */
export function releaseAddresses(state: string, owner: string): void {
  for (const address of addressesOf(state, owner)) {
    Deno.removeSync(`${state}/addresses/${address}`);
  }
}
