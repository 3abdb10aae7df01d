import { digestBytes } from "@containerkit/oci";
import { assert, assertEquals } from "@std/assert";
import { tempDir } from "../tests/mod.ts";
import { collect, openStore, type Store } from "./mod.ts";
import { fakeCollectable } from "./testdata/fake_collectable.ts";

// containerd's TestGCRemove, TestCollectibleResources and TestCollectionWithReferences (core/metadata/gc_test.go): what is left
// of each kind of thing, in each namespace, when others of the same kind are removed.

const PAST = new Date(Date.now() - 3_600_000);
const NOW = { grace: 0, ingestAge: 0 };
const ROOT = { "containerd.io/gc.root": "always" };
const EXPIRED = { "containerd.io/gc.expire": PAST.toISOString() };

const bytes = (number: number) => new TextEncoder().encode(`${number}`);
const digest = (number: number) => digestBytes(bytes(number));
const descriptor = (number: number) => ({
  mediaType: "text/plain",
  digest: digest(number),
  size: bytes(number).length,
});

async function ingest(store: Store, ref: string): Promise<void> {
  await using writer = await store.writer(ref);
  await writer.write(new Uint8Array(8));
}

/** All there is in a view, by kind and name. */
async function all(store: Store): Promise<string[]> {
  const numbers = new Map(
    Array.from({ length: 9 }, (_, number) => [digest(number), number]),
  );
  const blobs = await Array.fromAsync(store.list());
  return [
    ...blobs.map(({ digest }) => `content/${numbers.get(digest)}`),
    ...(await store.images.list()).map(({ name }) => name),
    ...(await store.leases.list()).map(({ id }) => id),
    ...(await store.ingests.list()).map(({ ref }) => ref),
  ].toSorted();
}

Deno.test("collect() removes every second thing of each kind and leaves the others, as containerd's TestGCRemove", async () => {
  await using temp = tempDir();
  using ns1 = await openStore({ root: temp.path, namespace: "ns1" });
  using ns2 = await openStore({ root: temp.path, namespace: "ns2" });
  const snapshots = fakeCollectable(
    "snapshot/overlay",
    new Map([
      ["ns1/sn1", { labels: ROOT }],
      ["ns1/sn2", {}],
      ["ns1/sn3", { labels: ROOT }],
      ["ns1/sn4", {}],
      ["ns2/sn1", { labels: ROOT }],
    ]),
  );
  for (const number of [1, 2, 3]) await ns1.put(bytes(number));
  await ns2.put(bytes(1), { labels: ROOT });
  await ns2.put(bytes(2));
  await ns1.images.create("image1", descriptor(1), { labels: EXPIRED });
  await ns1.images.create("image2", descriptor(2));
  (await ns1.leases.create({ id: "l1", labels: EXPIRED })).keep();
  const lease = await ns2.leases.create({ id: "l2" });
  await ingest(ns1, "ingest-1");
  await ingest(lease.store, "ingest-2");
  lease.keep();
  assertEquals(await all(ns1), [
    "content/1",
    "content/2",
    "content/3",
    "image1",
    "image2",
    "ingest-1",
    "l1",
  ]);

  await collect(ns1, { ...NOW, collectables: [snapshots] });

  assertEquals(await all(ns1), ["content/2", "image2"]);
  assertEquals(await all(ns2), ["content/1", "ingest-2", "l2"]);
  assertEquals(snapshots.removed.toSorted(), ["ns1/sn2", "ns1/sn4"]);
  const files = Deno.readDirSync(`${ns1.path}/blobs/sha256`);
  assertEquals(
    [...files].map(({ name }) => `sha256:${name}`).toSorted(),
    [digest(1), digest(2)].toSorted(),
  );
});

Deno.test("collect() joins other components' things, as containerd's TestCollectibleResources", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await store.put(bytes(1));
  await store.put(bytes(2), {
    labels: { "containerd.io/gc.ref.test": "test2" },
  });
  await store.images.create("image1", descriptor(1));
  await store.images.create("image2", descriptor(2));
  const leases = [
    await store.leases.create({ id: "lease1" }),
    await store.leases.create({ id: "lease2", labels: EXPIRED }),
  ];
  for (const lease of leases) lease.keep();
  const things = fakeCollectable(
    "test",
    new Map([
      ["test1", { root: true }],
      ["test2", {}],
      ["test3", { lease: "lease1" }],
      ["test4", { lease: "lease2" }],
      ["test5", {
        labels: {
          "containerd.io/gc.bref.image": "image2",
          "containerd.io/gc.bref.container": "container1",
        },
      }],
    ]),
  );
  const containers = fakeCollectable(
    "container",
    new Map([["container1", { root: true }]]),
  );
  const collectables = [things, containers];

  await collect(store, { ...NOW, collectables });
  assertEquals(things.removed, ["test4"]);
  assertEquals(
    await all(store),
    ["content/1", "content/2", "image1", "image2", "lease1"],
  );

  // What referred to it is gone; of the two that refer to test5 the container is left.
  await store.images.delete("image2");
  await collect(store, { ...NOW, collectables });
  assertEquals(things.removed, ["test4", "test2"]);

  await collect(store, { ...NOW, collectables: [things] });
  assertEquals(things.removed, ["test4", "test2", "test5"]);
  assertEquals(await all(store), ["content/1", "image1", "lease1"]);
});

Deno.test("collect() keeps what another component's thing refers to, as containerd's TestCollectionWithReferences", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await store.put(bytes(1));
  await store.put(bytes(2), {
    labels: { "containerd.io/gc.ref.content": digest(1) },
  });
  await store.put(bytes(3));
  const references = [{ type: "blob", id: digest(2) }];
  const kept = fakeCollectable(
    "kept",
    new Map([["myresource", { root: true, references }]]),
  );
  // One that nothing keeps keeps nothing.
  const other = fakeCollectable(
    "other",
    new Map([["notkept", { references: [{ type: "blob", id: digest(3) }] }]]),
  );
  await collect(store, { ...NOW, collectables: [kept, other] });
  assertEquals(await all(store), ["content/1", "content/2"]);
  assertEquals([kept.removed, other.removed], [[], ["notkept"]]);
  assert(await store.stat(digest(3)) === undefined);
});
