import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Descriptor, digestBytes, MediaType } from "@containerkit/oci";
import {
  createMemoryIndex,
  createMemoryStore,
  type MemoryStore,
  type PrunableIndex,
  type Pruned,
  pruneRegistry,
  type PruneRegistryOptions,
} from "./mod.ts";
import { Api, DataSet, OTHER, pushSet, REPOSITORY } from "./_test_api.ts";
import { age, indexOf, listIndex, pullSet } from "./_test_prune.ts";

interface World extends AsyncDisposable {
  readonly api: Api;
  readonly store: MemoryStore;
  readonly index: PrunableIndex;
  prune(options?: Partial<PruneRegistryOptions>): Promise<Pruned>;
}

function start(index: PrunableIndex = createMemoryIndex()): World {
  const store = createMemoryStore();
  const api = new Api({ store, index });
  return {
    api,
    store,
    index,
    prune: (options) => pruneRegistry({ store, index, ...options }),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

const manifestPath = ({ digest }: Descriptor) =>
  `/v2/${REPOSITORY}/manifests/${digest}`;
const digestsOf = ({ removed }: Pruned) =>
  removed.map(({ digest }) => digest).toSorted();

Deno.test("pruneRegistry() removes what a deleted manifest alone needed, and says so", async () => {
  await using world = start();
  const { api, index, store } = world;
  const set = new DataSet();
  // The layers have the seed, and the first one of both is the same.
  const kept = set.image({ tag: "1", seed: 1, layers: 1 });
  const other = new Set(set.blobs.keys());
  const gone = set.image({ tag: "2", seed: 1, layers: 3 });
  await pushSet(api, set);
  await age(index);
  const expected = [...set.blobs].filter(([digest]) => !other.has(digest));
  const bytes = expected.reduce((sum, [, blob]) => sum + blob.length, 0);
  assertEquals((await world.prune()).removed, []);
  await api.ask("DELETE", manifestPath(gone), 202);
  const before = await listIndex(index);
  const dry = await world.prune({ dryRun: true });
  assertEquals(await listIndex(index), before);
  const told: string[] = [];
  const pruned = await world.prune({
    onProgress: ({ kind, digest, repository, size }) =>
      told.push(`${kind} ${repository} ${digest} ${size}`),
  });
  assertEquals(pruned, dry);
  assertEquals(
    digestsOf(pruned),
    expected.map(([digest]) => digest).toSorted(),
  );
  assertEquals(pruned.bytes, bytes);
  assertEquals(
    told,
    pruned.removed.map(({ digest, size }) =>
      `blob ${REPOSITORY} ${digest} ${size}`
    ),
  );
  for (const [digest] of expected) {
    assertEquals(await store.stat(digest), undefined);
  }
  await pullSet(api, set, { manifests: [kept] });
  assertEquals((await world.prune()).removed, []);
});

Deno.test("pruneRegistry() keeps in the store what another repository has", async () => {
  await using world = start();
  const { api, index, store } = world;
  const set = new DataSet();
  const gone = set.image({ tag: "1" });
  await pushSet(api, set);
  const [digest] = set.blobs.keys();
  await api.ask(
    "POST",
    `/v2/${OTHER}/blobs/uploads/?mount=${digest}&from=${REPOSITORY}`,
    201,
  );
  await age(index);
  await index.set(
    `holders/${digest}/${OTHER.replace("/", "~")}`,
    String(Date.now()),
  );
  await api.ask("DELETE", manifestPath(gone), 202);
  const dry = await world.prune({ dryRun: true });
  const { removed, bytes } = await world.prune();
  assertEquals({ removed, bytes }, dry);
  assertEquals(removed.length, set.blobs.size);
  const left = removed.find((one) => one.digest === digest);
  assertEquals(left, { kind: "blob", repository: REPOSITORY, digest: digest! });
  assert(await store.stat(digest!));
  await api.ask("GET", `/v2/${OTHER}/blobs/${digest}`, 200);
  await api.ask("GET", `/v2/${REPOSITORY}/blobs/${digest}`, 404);
});

Deno.test("pruneRegistry() keeps manifests without a tag, and removes them if asked, but for what a tag leads to", async () => {
  await using world = start();
  const { api, index } = world;
  const set = new DataSet();
  const child = set.image({ seed: 1 });
  const nested = indexOf(set, [child]);
  const tagged = indexOf(set, [nested], "1");
  const signature = set.artifact("application/vnd.signature", {
    subject: child,
  });
  const counter = set.artifact("application/vnd.counter", {
    subject: signature,
  });
  const lone = set.image({ seed: 2 });
  const loneIndex = indexOf(set, [lone]);
  const loneSignature = set.artifact("application/vnd.lone", { subject: lone });
  await pushSet(api, set);
  await age(index);
  assertEquals((await world.prune()).removed, []);
  await pullSet(api, set);
  await age(index);
  const pruned = await world.prune({ untagged: true });
  const manifests = pruned.removed.filter(({ kind }) => kind === "manifest");
  // What leads to something goes before it: what is left is whole at any time.
  assertEquals(
    manifests.map(({ digest }) => digest),
    [loneIndex, lone, loneSignature].map(({ digest }) => digest),
  );
  const kept = [tagged, nested, child, signature, counter];
  await pullSet(api, set, { manifests: kept });
  for (const one of [lone, loneIndex, loneSignature]) {
    await api.ask("GET", manifestPath(one), 404);
  }
  const { text } = await api.ask(
    "GET",
    `/v2/${REPOSITORY}/referrers/${child.digest}`,
    200,
  );
  assertEquals(JSON.parse(text).manifests.length, 1);
  // A tag that is deleted was all that kept them.
  await api.ask("DELETE", `/v2/${REPOSITORY}/manifests/1`, 202);
  await age(index);
  await world.prune({ untagged: true });
  assertEquals(await listIndex(index), []);
});

const WAYS_TO_COUNT = {
  upload: async (api: Api, digest: string, bytes: Uint8Array<ArrayBuffer>) => {
    await api.push(bytes, digest);
  },
  mount: async (api: Api, digest: string) => {
    const path = `/v2/${REPOSITORY}/blobs/uploads/?mount=${digest}`;
    await api.ask("POST", `${path}&from=${REPOSITORY}`, 201);
  },
  HEAD: async (api: Api, digest: string) => {
    await api.ask("HEAD", `/v2/${REPOSITORY}/blobs/${digest}`, 200);
  },
};
for (const [way, count] of Object.entries(WAYS_TO_COUNT)) {
  Deno.test(`pruneRegistry() keeps for a while what a push counts on by ${way}`, async () => {
    await using world = start();
    const { api, index } = world;
    const set = new DataSet();
    set.image({ tag: "1" });
    const [[digest, bytes], [unused, other]] = [...set.blobs] as [
      [string, Uint8Array<ArrayBuffer>],
      [string, Uint8Array<ArrayBuffer>],
    ];
    await api.push(bytes, digest);
    await api.push(other, unused);
    await age(index);
    await count(api, digest, bytes);
    assertEquals(digestsOf(await world.prune()), [unused]);
    await api.push(other, unused);
    await pushSet(api, set);
    await pullSet(api, set);
    // Nobody counts on it for ever.
    await api.ask("DELETE", manifestPath(set.manifests[0]!.descriptor), 202);
    assertEquals((await world.prune()).removed, []);
    await world.prune({ grace: 0 });
    assertEquals(await listIndex(index), []);
  });
}

Deno.test("pruneRegistry() keeps for a while an untagged manifest that was asked for, and what it needs", async () => {
  for (const method of ["HEAD", "GET"]) {
    await using world = start();
    const { api, index } = world;
    const set = new DataSet();
    const asked = indexOf(set, [set.image({ seed: 1 })]);
    const other = set.image({ seed: 2 });
    await pushSet(api, set);
    await age(index);
    await api.ask(method, manifestPath(asked), 200);
    const { removed } = await world.prune({ untagged: true });
    assertEquals(
      removed.filter(({ kind }) => kind === "manifest").map((one) =>
        one.digest
      ),
      [other.digest],
    );
    await pullSet(api, set, { manifests: [asked] });
  }
});

Deno.test("createRegistry() tells what it has also where it cannot write that it did, or is not to", async () => {
  for (const readOnly of [false, true]) {
    const store = createMemoryStore();
    const index = createMemoryIndex();
    const set = new DataSet();
    const image = set.image({ tag: "1" });
    {
      await using api = new Api({ store, index });
      await pushSet(api, set);
    }
    await age(index);
    let writes = 0;
    await using api = new Api({
      store,
      readOnly,
      index: {
        ...index,
        set() {
          writes++;
          return Promise.reject(new Error("the disk is full"));
        },
      },
    });
    await pullSet(api, set);
    await api.ask("HEAD", manifestPath(image), 200);
    for (const digest of set.blobs.keys()) {
      await api.ask("HEAD", `/v2/${REPOSITORY}/blobs/${digest}`, 200);
    }
    assertEquals(writes, readOnly ? 0 : 2 + set.blobs.size);
  }
});

/** Lets something come in between, and gives it a while. */
async function inBetween(action: () => Promise<unknown>): Promise<boolean> {
  let isDone = false;
  action().finally(() => isDone = true);
  for (let turn = 0; turn < 50 && !isDone; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return isDone;
}

const blob = new TextEncoder().encode("a layer");
const layer = { mediaType: "text/plain", digest: digestBytes(blob), size: 7 };
/** What a registry does to have something, and what it writes of that. */
const CHANGES = {
  upload: {
    key: `holders/${layer.digest}/a`,
    run: (api: Api) =>
      api.ask("POST", `/v2/a/blobs/uploads/?digest=${layer.digest}`, 201, {
        body: blob,
      }),
  },
  mount: {
    key: `holders/${layer.digest}/a`,
    run: (api: Api) =>
      api.ask(
        "POST",
        `/v2/a/blobs/uploads/?mount=${layer.digest}&from=b`,
        201,
      ),
  },
  manifest: {
    key: "repositories/a/manifests/",
    run: (api: Api) =>
      api.ask("PUT", "/v2/a/manifests/1", 201, {
        headers: { "content-type": MediaType.Manifest },
        body: JSON.stringify({ schemaVersion: 2, config: layer, layers: [] }),
      }),
  },
};
for (const [way, { key, run }] of Object.entries(CHANGES)) {
  Deno.test(`pruneRegistry() waits while a repository gets something by ${way}`, async () => {
    let comesBetween = false;
    let pruning: Promise<unknown> | undefined;
    const inner = createMemoryIndex();
    await using world = start({
      ...inner,
      async set(at, value) {
        if (comesBetween && at.startsWith(key)) {
          comesBetween = false;
          const isDone = await inBetween(() =>
            pruning = world.prune({ untagged: true })
          );
          assertEquals(isDone, false);
        }
        await inner.set(at, value);
      },
    });
    const { api, index } = world;
    for (const name of ["a", "b"]) {
      await api.ask(
        "POST",
        `/v2/${name}/blobs/uploads/?digest=${layer.digest}`,
        201,
        { body: blob },
      );
    }
    if (way === "mount") {
      await api.ask("DELETE", `/v2/a/blobs/${layer.digest}`, 202);
    }
    await age(index);
    comesBetween = true;
    await run(api);
    await pruning;
    assertEquals(comesBetween, false);
    await api.ask("GET", `/v2/a/blobs/${layer.digest}`, 200);
  });
}

/** Makes an index whose changes fail from the nth on, as if the process had ended. */
function endAfter(
  inner: PrunableIndex,
  store: MemoryStore,
  changes: number,
): { index: PrunableIndex; store: MemoryStore; isAlive: () => boolean } {
  let left = changes;
  const guard = <A extends unknown[], T>(fn: (...args: A) => Promise<T>) =>
  (
    ...args: A
  ) => {
    if (left <= 0) return Promise.reject(new Error("the process ended"));
    left--;
    return fn(...args);
  };
  return {
    isAlive: () => left > 0,
    index: { ...inner, set: guard(inner.set), delete: guard(inner.delete) },
    store: { ...store, delete: guard(store.delete) },
  };
}

Deno.test("pruneRegistry() leaves what is needed whole wherever it ends, and goes on from there", async () => {
  let isEnded = true;
  for (let changes = 0; isEnded; changes++) {
    await using world = start();
    const { api, index, store } = world;
    const set = new DataSet();
    const image = set.image({ seed: 1, layers: 1 });
    const kept = [
      indexOf(set, [image], "1"),
      set.artifact("application/vnd.signature", { subject: image }),
    ];
    await pushSet(api, set);
    const expected = await listIndex(index);
    const stored = [...set.blobs.keys()];
    // One more layer on top, two names for it, and a signature.
    const gone = set.image({ seed: 1, layers: 2 });
    const goneIndex = indexOf(set, [gone, image]);
    set.artifact("application/vnd.signature", { subject: gone });
    await pushSet(api, set);
    await age(index);
    const ending = endAfter(index, store, changes);
    const first = pruneRegistry({ ...ending, untagged: true });
    if (ending.isAlive()) await first.catch(() => {});
    else await assertRejects(() => first, Error, "the process ended");
    isEnded = !ending.isAlive();
    await pullSet(api, set, { manifests: kept });
    // What an index lists is there for as long as the index is.
    const left = await index.get(
      `repositories/${
        REPOSITORY.replace("/", "~")
      }/manifests/${goneIndex.digest}`,
    );
    if (left !== undefined) await pullSet(api, set, { manifests: [goneIndex] });
    await age(index);
    await world.prune({ untagged: true });
    assertEquals(await listIndex(index), expected);
    for (const digest of stored) assert(await store.stat(digest));
  }
});

Deno.test("pruneRegistry() leaves a repository alone of which it cannot read a manifest", async () => {
  await using world = start();
  const { api, index, store } = world;
  const set = new DataSet();
  const lost = set.image({ tag: "1" });
  await pushSet(api, set);
  await api.ask(
    "POST",
    `/v2/${OTHER}/blobs/uploads/?digest=${layer.digest}`,
    201,
    { body: blob },
  );
  await age(index);
  await store.delete(lost.digest);
  const told: string[] = [];
  const error = await assertRejects(
    () =>
      world.prune({ grace: 0, onProgress: ({ digest }) => told.push(digest) }),
    AggregateError,
    `Cannot prune 1 of the repositories: Cannot prune "${REPOSITORY}": Cannot open "${lost.digest}"`,
  );
  assertEquals(error.errors.length, 1);
  assertEquals(told, [layer.digest]);
  for (const digest of set.blobs.keys()) assert(await store.stat(digest));
});

Deno.test("pruneRegistry() refuses a grace that is no number, and removes nothing", async () => {
  await using world = start();
  const { api, store } = world;
  const path = `/v2/a/blobs/uploads/?digest=${layer.digest}`;
  await api.ask("POST", path, 201, { body: blob });
  for (const grace of [NaN, -1]) {
    await assertRejects(
      () => world.prune({ grace }),
      RangeError,
      "expected a number from 0",
    );
  }
  assert(await store.stat(layer.digest));
});

Deno.test("pruneRegistry() ends by its signal also where it only tells", async () => {
  await using world = start();
  const { api } = world;
  const set = new DataSet();
  set.image({ layers: 3 });
  for (const [digest, bytes] of set.blobs) await api.push(bytes, digest);
  const controller = new AbortController();
  let told = 0;
  await assertRejects(
    () =>
      world.prune({
        grace: 0,
        dryRun: true,
        signal: controller.signal,
        onProgress() {
          told++;
          controller.abort(new Error("enough"));
        },
      }),
    Error,
    "enough",
  );
  assertEquals(told, 1);
});

Deno.test("pruneRegistry() leaves blobs in the store if asked, and ends by its signal", async () => {
  await using world = start();
  const { api, index, store } = world;
  for (const name of ["a", "b"]) {
    const path = `/v2/${name}/blobs/uploads/?digest=${layer.digest}`;
    await api.ask("POST", path, 201, { body: blob });
  }
  const controller = new AbortController();
  const reason = new Error("enough");
  const { signal } = controller;
  const told: string[] = [];
  await assertRejects(
    () =>
      world.prune({
        grace: 0,
        signal,
        leaveBlobs: true,
        onProgress({ repository }) {
          told.push(repository);
          controller.abort(reason);
        },
      }),
    Error,
    "enough",
  );
  assertEquals(told, ["a"]);
  assertEquals(await listIndex(index), [`holders/${layer.digest}/b`]);
  const { bytes } = await world.prune({ grace: 0, leaveBlobs: true });
  assertEquals(bytes, blob.length);
  assertEquals(await listIndex(index), []);
  assert(await store.stat(layer.digest));
});
