import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, MediaType } from "@containerkit/oci";
import { lockFile, tryLockFile } from "@containerkit/state";
import { DatabaseSync } from "node:sqlite";
import { tempDir } from "../tests/mod.ts";
import {
  collect,
  type CollectableItem,
  type CollectableReference,
  openStore,
  orphans,
  type Store,
  why,
} from "./mod.ts";
import { fakeCollectable } from "./testdata/fake_collectable.ts";
import {
  putBlob,
  putIndex,
  putManifest,
  uniqueBytes,
} from "./testdata/images.ts";

const NOW = { grace: 0, ingestAge: 0 };

async function digests(store: Store): Promise<string[]> {
  const list = await Array.fromAsync(store.list());
  return list.map(({ digest }) => digest).toSorted();
}

/** What an earlier version kept of manifests that were stored under another type. */
function forgetEdges(store: Store): void {
  using database = new DatabaseSync(`${store.path}/state.db`);
  database.exec("DELETE FROM edges");
}

Deno.test("collect() keeps what a name reaches and removes the rest", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const layers = [await putBlob(store), await putBlob(store)];
  const inner = await putManifest(store, { layers });
  const index = await putIndex(store, [inner]);
  const signature = await putManifest(store, { subject: inner });
  await store.images.create("a", index);
  const kept = await digests(store);
  const garbage = await putManifest(store, { layers: [layers[0]!] });
  const lonely = await putManifest(store, { subject: garbage });
  const { removed, bytes } = await collect(store, NOW);
  assertEquals(await digests(store), kept);
  const ids = removed.map(({ id }) => id);
  assert(ids.includes(garbage.digest) && ids.includes(lonely.digest));
  assertEquals(removed.length, 4);
  assertEquals(bytes, removed.reduce((sum, { size }) => sum + size!, 0));
  assertEquals(
    await why(store, { type: "blob", id: signature.digest }, NOW),
    [
      { type: "image", id: "a", reason: "it is an image's name" },
      { type: "blob", id: index.digest },
      { type: "blob", id: inner.digest },
      { type: "blob", id: signature.digest },
    ],
  );
  assertEquals(
    await why(store, { type: "blob", id: garbage.digest }, NOW),
    undefined,
  );
  await store.images.delete("a");
  await collect(store, NOW);
  assertEquals(await digests(store), []);
  assertEquals([...Deno.readDirSync(`${store.path}/blobs/sha256`)], []);
  assertEquals([...Deno.readDirSync(`${store.path}/ingest`)], []);
});

Deno.test("collect() only says what it would remove in a dry run", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await putBlob(store);
  const lease = await store.leases.create({ ttl: 1 });
  lease.keep();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const { removed } = await collect(store, { ...NOW, dryRun: true });
  assertEquals(removed.map(({ id }) => id), [lease.id, digest]);
  assertEquals(await digests(store), [digest]);
  assertEquals((await store.leases.list()).length, 1);
});

Deno.test("collect() keeps for a while what was made outside of a lease", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await putBlob(store);
  assertEquals((await collect(store)).removed, []);
  assertEquals(
    (await why(store, { type: "blob", id: digest }))?.[0]?.reason,
    "it was made or found a short time ago",
  );
});

Deno.test("collect() refuses a grace that is no number, and removes nothing", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await putBlob(store);
  const kept = await digests(store);
  for (const wrong of [{ grace: NaN }, { grace: -1 }, { ingestAge: NaN }]) {
    await assertRejects(
      () => collect(store, { ...NOW, ...wrong }),
      RangeError,
      "expected a number from 0",
    );
  }
  assertEquals(await digests(store), kept);
});

Deno.test("collect() keeps what a lease has until it ends", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const unleased = await putBlob(store);
  {
    await using lease = await store.leases.create({ id: "pull" });
    const layer = await putBlob(lease.store);
    assertEquals(await lease.store.stat(unleased.digest), {
      size: unleased.size,
    });
    const writer = await lease.store.writer("half");
    await writer.write(uniqueBytes());
    await writer.abort();
    await collect(store, NOW);
    assertEquals(
      await digests(store),
      [layer.digest, unleased.digest].toSorted(),
    );
    assertEquals((await store.ingests.list()).length, 1);
    assertEquals(
      (await why(store, { type: "blob", id: layer.digest }, NOW))?.[0]?.reason,
      'lease "pull" has it',
    );
    await assertRejects(
      () => store.leases.create({ id: "pull" }),
      Deno.errors.AlreadyExists,
    );
  }
  await collect(store, NOW);
  assertEquals(await digests(store), []);
  assertEquals(await store.ingests.list(), []);
});

Deno.test("collect() keeps only what a flat lease names", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const config = await putBlob(store, MediaType.Config);
  const manifest = await putManifest(store, { config });
  await using lease = await store.leases.create({ flat: true });
  await lease.add({ type: "blob", id: manifest.digest });
  await collect(store, NOW);
  assertEquals(await digests(store), [manifest.digest]);
});

Deno.test("collect() ends leases that have expired, and renew() those that have not", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const lease = await store.leases.create({ ttl: 1 });
  const { digest } = await putBlob(lease.store);
  await lease.renew(60_000);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await collect(store, NOW);
  assertEquals(await digests(store), [digest]);
  await lease.renew(1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await collect(store, NOW);
  assertEquals(await digests(store), []);
  await assertRejects(() => lease.renew(1), Deno.errors.NotFound);
  await assertRejects(() => putBlob(lease.store), Deno.errors.NotFound);
});

Deno.test("collect() keeps what gets a name while it runs", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const layer = await putBlob(store);
  const manifest = await putManifest(store, { layers: [layer] });
  const before = await digests(store);
  let calls = 0;
  const things = new Map([["x", { root: true }]]);
  const base = fakeCollectable("other", things);
  const { removed } = await collect(store, {
    ...NOW,
    collectables: [{
      ...base,
      async *list() {
        // The first time it is marked, the second time a batch is about to go.
        if (++calls === 2) await store.images.create("late", manifest);
        yield* base.list();
      },
    }],
  });
  assertEquals(removed, []);
  assertEquals(await digests(store), before);
});

Deno.test("collect() removes things of other components after what refers to them", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const layer = await putBlob(store);
  const unused = await putBlob(store);
  const manifest = await putManifest(store);
  await using lease = await store.leases.create({ id: "run" });
  await store.images.create("a", manifest, {
    references: [{ type: "snapshot/x", id: "base" }],
  });
  const snapshot = (parent?: string) => ({
    references: parent === undefined
      ? [{ type: "blob", id: layer.digest }]
      : [{ type: "snapshot/x", id: parent }],
  });
  const snapshots = fakeCollectable(
    "snapshot/x",
    new Map<string, object>([
      ["base", snapshot()],
      ["old", snapshot("base")],
      ["older", snapshot("old")],
      ["leased", { ...snapshot("base"), lease: lease.id }],
      ["gone", { ...snapshot("base"), lease: "ended" }],
      ["new", { ...snapshot("base"), created: new Date() }],
    ]),
  );
  const options = { ...NOW, grace: 60_000, collectables: [snapshots] };
  // What is in the store was made outside of a lease just now, as "new" was.
  await collect(store, options);
  assertEquals(snapshots.removed.toSorted(), ["gone", "old", "older"]);
  assert(
    snapshots.removed.indexOf("older") < snapshots.removed.indexOf("old"),
  );
  assertEquals(
    await why(store, { type: "snapshot/x", id: "leased" }, options),
    [{ type: "snapshot/x", id: "leased", reason: 'lease "run" has it' }],
  );
  await collect(store, { ...options, ...NOW });
  assertEquals(await store.stat(unused.digest), undefined);
  assertEquals(await store.stat(layer.digest), { size: layer.size });
  assertEquals(
    (await why(store, { type: "blob", id: layer.digest }, {
      ...options,
      ...NOW,
    }))?.map(({ id }) => id),
    ["a", "base", layer.digest],
  );
});

Deno.test("collect() does not count what another component leaves, as it is used", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const base = fakeCollectable("snapshot/x", new Map([["a", {}], ["b", {}]]));
  const { removed } = await collect(store, {
    ...NOW,
    collectables: [{
      ...base,
      remove: async (id) => id !== "a" && await base.remove(id),
    }],
  });
  assertEquals(removed, [{ type: "snapshot/x", id: "b" }]);
});

Deno.test("collect() leaves what becomes a root meanwhile, and what that refers to", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await putBlob(store);
  const references = [{ type: "blob", id: digest }];
  const first = fakeCollectable("snapshot/x", new Map([["gone", {}]]));
  const things = new Map<string, object>([["web", { references }]]);
  const second = fakeCollectable("snapshot/y", things);
  const { removed } = await collect(store, {
    ...NOW,
    collectables: [first, second],
    onProgress: () => things.set("web", { references, root: true }),
  });
  assertEquals(removed, [{ type: "snapshot/x", id: "gone" }]);
  assertEquals([...things.keys()], ["web"]);
});

Deno.test("collect() goes on where another component cannot remove something, and says so at the end", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await putBlob(store);
  const base = fakeCollectable("volume", new Map([["a", {}], ["b", {}]]));
  const failure = new Error("Cannot remove a: it is in use");
  const removed: string[] = [];
  const error = await assertRejects(
    () =>
      collect(store, {
        ...NOW,
        collectables: [{
          ...base,
          remove: (id) =>
            id === "a" ? Promise.reject(failure) : base.remove(id),
        }],
        onProgress: ({ type, id }) => removed.push(type === "blob" ? type : id),
      }),
    AggregateError,
    failure.message,
  );
  assertEquals(error.errors, [failure]);
  assertEquals(removed, ["b", "blob"]);
  assertEquals(await digests(store), []);
});

Deno.test("collect() keeps things of other components that come up while it runs", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const layer = await putBlob(store);
  const things = new Map<
    string,
    Partial<CollectableItem> & { references?: CollectableReference[] }
  >([["old", {}]]);
  const base = fakeCollectable("snapshot/x", things);
  let calls = 0;
  await collect(store, {
    ...NOW,
    collectables: [{
      ...base,
      async *list() {
        if (++calls === 2) {
          // Whoever adds this holds the lock shared, so the collection cannot.
          things.set("young", {
            references: [{ type: "snapshot/x", id: "old" }, {
              type: "blob",
              id: layer.digest,
            }],
          });
        }
        yield* base.list();
      },
    }],
  });
  assertEquals(base.removed, []);
  assertEquals(await digests(store), [layer.digest]);
});

Deno.test("collect() holds gc.lock while it removes, and references to others wait for it", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const manifest = await putManifest(store);
  const things = new Map([["s", {}]]);
  const base = fakeCollectable("snapshot/x", things);
  let isFree = true;
  await collect(store, {
    ...NOW,
    grace: 60_000,
    collectables: [{
      ...base,
      async remove(id) {
        using lock = tryLockFile(`${temp.path}/gc.lock`, { exclusive: false });
        isFree = lock !== undefined;
        await base.remove(id);
      },
    }],
  });
  assertEquals(isFree, false);
  const lock = await lockFile(`${temp.path}/gc.lock`);
  const naming = store.images.create("a", manifest, {
    references: [{ type: "snapshot/x", id: "s" }],
  });
  assertEquals(await store.images.get("a"), undefined);
  lock.close();
  await naming;
});

Deno.test("collect() ends early with the signal's reason", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await putBlob(store);
  await assertRejects(
    () => collect(store, { ...NOW, signal: AbortSignal.abort() }),
    DOMException,
  );
  assertEquals((await digests(store)).length, 1);
});

Deno.test("collect() ends early, however little there is to remove", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  for (let count = 0; count < 200; count++) await putBlob(store);
  const reason = new Error("enough");
  const controller = new AbortController();
  const onProgress = () => controller.abort(reason);
  const { signal } = controller;
  const error = await assertRejects(() =>
    collect(store, { ...NOW, signal, onProgress })
  );
  assertEquals(error, reason);
  const left = (await digests(store)).length;
  assert(left > 0 && left < 200, `${left}`);
});

Deno.test("collect() leaves other programs' files alone, and orphans() lists them", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const foreign = [
    "blobs/sha256/README",
    `blobs/sha256/${"0".repeat(64)}`,
    "notes.txt",
    "ingest/theirs",
  ];
  for (const path of foreign) {
    Deno.writeTextFileSync(`${store.path}/${path}`, "x");
  }
  const gone = await putBlob(store);
  Deno.removeSync(`${store.path}/blobs/${gone.digest.replace(":", "/")}`);
  const found = await Array.fromAsync(orphans(store));
  assertEquals(
    found.map(({ id, problem }) => `${problem} ${id}`).toSorted(),
    [
      `missing ${gone.digest}`,
      `unlisted sha256:${"0".repeat(64)}`,
      "unlisted sha256:README",
      `unreferenced ${gone.digest}`,
    ].toSorted(),
  );
  await collect(store, NOW);
  for (const path of foreign) {
    assertEquals(Deno.readTextFileSync(`${store.path}/${path}`), "x");
  }
});

Deno.test("collect() removes files whose removal or commit was cut off, and keeps the ones that a blob has again", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const [kept, lost] = [await putBlob(store), await putBlob(store)];
  await store.images.create("kept", kept);
  {
    // What a crash leaves: the file in place, and of what should tell of it only the note.
    using database = new DatabaseSync(`${store.path}/state.db`);
    const note = database.prepare("INSERT INTO removals VALUES (?)");
    for (const { digest } of [kept, lost]) note.run(digest);
    database.exec(
      `DELETE FROM blobs WHERE digest = (SELECT id FROM digests WHERE digest = '${lost.digest}')`,
    );
  }
  await collect(store, { grace: 0 });
  assertEquals(await digests(store), [kept.digest]);
  assertEquals(
    [...Deno.readDirSync(`${store.path}/blobs/sha256`)].map(({ name }) =>
      `sha256:${name}`
    ),
    [kept.digest],
  );
  using database = new DatabaseSync(`${store.path}/state.db`);
  assertEquals(database.prepare("SELECT * FROM removals").all(), []);
});

Deno.test("collect() leaves a file that came back after its removal was finished", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await putBlob(store);
  const file = `${store.path}/blobs/${digest.replace(":", "/")}`;
  const bytes = Deno.readFileSync(file);
  assert(await store.delete(digest));
  // Another program writes the same blob into the layout, and no name tells of it yet.
  Deno.writeFileSync(file, bytes);
  await collect(store, NOW);
  assertEquals(Deno.readFileSync(file), bytes);
});

Deno.test("collect() removes a blob from one namespace and keeps the other's file", async () => {
  await using temp = tempDir();
  using a = await openStore({ root: temp.path, namespace: "a" });
  using b = await openStore({ root: temp.path, namespace: "b" });
  const manifest = await putManifest(a);
  const writer = await b.writer("ref", { descriptor: manifest });
  await writer.commit(manifest.size, manifest.digest);
  await b.images.create("kept", manifest);
  const { removed } = await collect(a, NOW);
  assert(removed.every(({ namespace }) => namespace === "a"));
  assertEquals(await a.stat(manifest.digest), undefined);
  assertEquals(await b.stat(manifest.digest), { size: manifest.size });
});

Deno.test("refer() states what a blob or an image keeps, and replaces what was stated before", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const [a, b] = [await putBlob(store), await putBlob(store)];
  const manifest = await putManifest(store);
  await store.images.create("x", manifest);
  const image = { type: "image", id: "x" };
  await store.refer(image, [{ type: "blob", id: a.digest }]);
  await store.refer({ type: "blob", id: a.digest }, [{
    type: "blob",
    id: b.digest,
  }]);
  await collect(store, NOW);
  assertEquals(await store.stat(b.digest), { size: b.size });
  await store.refer(image, []);
  await collect(store, NOW);
  assertEquals(await store.stat(a.digest), undefined);
  assertEquals(await store.stat(b.digest), undefined);
  await assertRejects(
    () => store.refer({ type: "snapshot/x", id: "y" }, []),
    TypeError,
  );
});

Deno.test("collect() keeps the parts of an image whose manifest was first stored as something else", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const other = await putManifest(store, { layers: [await putBlob(store)] });
  const top = await putIndex(store, [other]);
  const manifests = [other, top];
  // The same bytes, first as a blob of no known type, and as one of a wrong type.
  for (const mediaType of ["application/octet-stream", MediaType.Index]) {
    const layer = await putBlob(store);
    const config = await putBlob(store, MediaType.Config);
    const bytes = new TextEncoder().encode(
      JSON.stringify({ schemaVersion: 2, config, layers: [layer] }),
    );
    manifests.push(
      await store.put(bytes, { descriptor: describe(mediaType, bytes) }),
    );
  }
  const index = await putIndex(store, manifests);
  await store.images.create("good", {
    ...index,
    mediaType: "application/octet-stream",
  });
  assertEquals((await collect(store, NOW)).removed, []);
});

Deno.test("create() finds the references that an earlier version did not keep, also of manifests in an index", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const inner = await putManifest(store, { layers: [await putBlob(store)] });
  const index = await putIndex(store, [await putIndex(store, [inner])]);
  forgetEdges(store);
  await store.images.create("good", index);
  assertEquals((await collect(store, NOW)).removed, []);
});

Deno.test("writer() finds the references that an earlier version did not keep, of a manifest that is there", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  using other = await openStore({ root: temp.path, namespace: "other" });
  const config = await putBlob(store, MediaType.Config);
  const manifest = await putManifest(store, { config });
  const parts = [config, manifest].map(({ digest }) => digest).toSorted();
  forgetEdges(store);
  {
    await using lease = await store.leases.create();
    await assertRejects(
      () => lease.store.writer("x", { descriptor: manifest }),
      Deno.errors.AlreadyExists,
    );
    await collect(store, NOW);
    assertEquals(await digests(store), parts);
  }
  forgetEdges(store);
  await using lease = await other.leases.create();
  const shared = await other.writer("config", { descriptor: config });
  await shared.commit(config.size, config.digest);
  const writer = await lease.store.writer("x", { descriptor: manifest });
  await writer.commit(manifest.size, manifest.digest);
  await collect(store, NOW);
  assertEquals(await digests(other), parts);
});
