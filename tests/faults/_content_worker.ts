// Does random things to a store, and checks what has to hold while others do the same.
// Arguments: root, seed, number of operations.
import {
  collect,
  LockedError,
  openStore,
  type Store,
} from "@containerkit/content";
import { describe, type Descriptor, MediaType } from "@containerkit/oci";

const [root = "", seedText = "1", countText = "100"] = Deno.args;
let seed = Number(seedText);

function random(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor(seed / 2 ** 32 * below);
}

/** One of a few contents, so that processes meet. */
function content(): { bytes: Uint8Array<ArrayBuffer>; descriptor: Descriptor } {
  const number = random(60);
  const size = [0, 10, 1000, 70_000, 400_000][number % 5]!;
  const bytes = new TextEncoder().encode(`${number} `.padEnd(size, "x"));
  return { bytes, descriptor: describe(MediaType.Layer, bytes) };
}

async function putLayer(store: Store): Promise<Descriptor> {
  const { bytes, descriptor } = content();
  // Half of them by a ref that others use too.
  const ref = random(2) === 0 ? { ref: descriptor.digest } : {};
  await store.put(bytes, { descriptor, ...ref });
  return descriptor;
}

async function putManifest(store: Store): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  for (let left = 1 + random(3); left > 0; left--) {
    layers.push(await putLayer(store));
  }
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: await putLayer(store),
    layers,
  }));
  const descriptor = describe(MediaType.Manifest, bytes);
  await store.put(bytes, { descriptor });
  return descriptor;
}

function newName(): string {
  return `image:${random(20)}`;
}

const OPERATIONS: readonly ((store: Store) => Promise<unknown>)[] = [
  // As a pull does it: what was written under the lease must be there when it gets a name.
  async (store) => {
    await using lease = await store.leases.create();
    const manifest = await putManifest(lease.store);
    const { complete, missing } = await lease.store.images.check(manifest);
    if (!complete) {
      throw new Error(`Lost under a lease: ${JSON.stringify(missing)}`);
    }
    await store.images.create(newName(), manifest, { replace: true });
  },
  (store) => putLayer(store),
  async (store) => {
    const { bytes, descriptor } = content();
    try {
      const writer = await store.writer(descriptor.digest, { descriptor });
      await writer.write(
        bytes.subarray(writer.offset, writer.offset + random(100_000)),
      );
      await writer.abort();
    } catch (error) {
      if (
        !(error instanceof LockedError ||
          error instanceof Deno.errors.AlreadyExists)
      ) throw error;
    }
  },
  (store) => store.images.delete(newName()),
  async (store) => {
    const { digest } = content().descriptor;
    if (await store.stat(digest) === undefined) return;
    try {
      await new Response(await store.open(digest)).bytes();
      await store.label(digest, { [`k${random(3)}`]: String(random(3)) });
    } catch (error) {
      // Collected meanwhile.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  },
  async (store) => {
    for (const name of await store.images.list()) {
      if (random(4) !== 0) continue;
      const found = await store.images.get(name.name);
      if (found === undefined) continue;
      const { complete } = await store.images.check(found.descriptor);
      const still = await store.images.get(name.name);
      if (
        !complete &&
        still?.descriptor.digest === found.descriptor.digest &&
        still.updated.getTime() === found.updated.getTime()
      ) throw new Error(`Lost with a name: ${name.name}`);
    }
  },
  (store) =>
    random(5) === 0
      ? collect(store, { grace: 0, ingestAge: 1 })
      : Promise.resolve(),
];

using store = await openStore({ root });
Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
for (let left = Number(countText); left > 0; left--) {
  await OPERATIONS[random(OPERATIONS.length)]!(store);
}
