/** The addresses of one root's containers: a bridge and a subnet, chosen once per boot. */
export interface Subnet {
  /** Name of the bridge, at most 15 bytes. */
  readonly bridge: string;
  /** The first three numbers of the subnet, such as `10.89.7`. */
  readonly prefix: string;
  /** Address of the bridge with its length, such as `10.89.7.1/24`. */
  readonly gateway: string;
}

function hash(text: string): number {
  let value = 2166136261;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 16777619) >>> 0;
  }
  return value;
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

/**
 * The subnet of a state folder: the same for its life, another for each folder, none that the host routes already.
 */
export function subnetOf(state: string): Subnet {
  const file = `${state}/subnet.json`;
  try {
    return JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const seed = hash(state);
  const routed = routedNetworks();
  for (let tried = 0; tried < 256; tried++) {
    const prefix = `10.89.${(seed + tried) % 256}`;
    if (routed.has(prefix)) continue;
    const subnet: Subnet = {
      bridge: `ckit-${seed.toString(16).padStart(8, "0")}`,
      prefix,
      gateway: `${prefix}.1/24`,
    };
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    const temporary = `${file}.${crypto.randomUUID()}`;
    Deno.writeTextFileSync(temporary, JSON.stringify(subnet));
    try {
      // The first of several processes wins; the others take what it chose.
      Deno.linkSync(temporary, file);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    } finally {
      Deno.removeSync(temporary);
    }
    return JSON.parse(Deno.readTextFileSync(file));
  }
  throw new Error(
    "Cannot choose a subnet: the host routes all of 10.89.0.0/16",
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
export function leaseAddress(state: string, owner: string): Lease {
  const { prefix } = subnetOf(state);
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

/** Gives back what an owner holds. */
export function releaseAddresses(state: string, owner: string): void {
  const folder = `${state}/addresses`;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      if (Deno.readTextFileSync(`${folder}/${name}`) === owner) {
        Deno.removeSync(`${folder}/${name}`);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
