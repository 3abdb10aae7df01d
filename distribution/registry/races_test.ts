/**
 * What holds when requests come at once, and what is left of those that failed.
 */
import { assertEquals } from "@std/assert";
import { digestBytes, EMPTY_DESCRIPTOR, MediaType } from "@containerkit/oci";
import { testBytes } from "../_test_image.ts";
import {
  createFileIndex,
  createMemoryIndex,
  createMemoryStore,
  createRegistry,
  type RegistryIndex,
  type RegistryStore,
} from "./mod.ts";

type Registry = ReturnType<typeof createRegistry>;

async function ask(
  registry: Registry,
  [method, path]: [string, string],
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers }> {
  const { status, headers, body } = await registry(
    new Request(`http://x/v2/${path}`, { method, ...init }),
  );
  await body?.cancel();
  return { status, headers };
}

function upload(
  registry: Registry,
  repository: string,
  body: Uint8Array<ArrayBuffer>,
  digest = digestBytes(body),
) {
  return ask(
    registry,
    ["POST", `${repository}/blobs/uploads/?digest=${digest}`],
    { body },
  );
}

/** An index whose answers take a moment, as those of files do. */
function slowIndex(): RegistryIndex {
  const index = createMemoryIndex();
  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));
  return {
    get: async (...args) => (await pause(), await index.get(...args)),
    set: async (...args) => (await pause(), await index.set(...args)),
    delete: async (...args) => (await pause(), await index.delete(...args)),
    list: async (...args) => {
      const list = await index.list(...args);
      await pause();
      return list;
    },
  };
}

/** Lets something come in between, and gives it a while: it is not done then if it has to wait for what it came into. */
async function inBetween(action: () => Promise<unknown>): Promise<void> {
  let isDone = false;
  action().finally(() => isDone = true);
  for (let turn = 0; turn < 50 && !isDone; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

const WAYS = ["upload", "mount", "manifest"] as const;
/** When the other request comes: before it is noted that a repository has it, or once it is found that none has. */
const MOMENTS = ["set", "list"] as const;

for (const way of WAYS) {
  Deno.test(`createRegistry() keeps what it took by ${way} while another repository deletes the same`, async () => {
    for (const moment of MOMENTS) {
      const kind = way === "manifest" ? "manifests" : "blobs";
      const body = new TextEncoder().encode(
        JSON.stringify({ schemaVersion: 2, manifests: [] }),
      );
      const digest = digestBytes(body);
      const put = (repository: string) =>
        way === "manifest"
          ? ask(registry, ["PUT", `${repository}/manifests/${digest}`], {
            body,
            headers: { "content-type": MediaType.Index },
          })
          : upload(registry, repository, body);
      const take = () =>
        way === "mount"
          ? ask(registry, ["POST", `b/blobs/uploads/?mount=${digest}&from=a`])
          : put("b");
      const remove = () => ask(registry, ["DELETE", `a/${kind}/${digest}`]);
      const inner = createMemoryIndex();
      let second: Promise<{ status: number }> | undefined;
      const other = moment === "set" ? remove : take;
      const begin = () => inBetween(() => second ??= other());
      await using registry = createRegistry({
        store: createMemoryStore(),
        index: {
          ...inner,
          async set(key, value) {
            const isIt = key === `holders/${digest}/b`;
            if (isIt && moment === "set") await begin();
            await inner.set(key, value);
          },
          async list(path) {
            const list = await inner.list(path);
            const isIt = path === `holders/${digest}` && list.length === 0;
            if (isIt && moment === "list" && second === undefined) {
              await begin();
            }
            return list;
          },
        },
      });
      assertEquals((await put("a")).status, 201);
      const first = moment === "set" ? await take() : await remove();
      const { status } = moment === "set" ? first : await second!;
      await second;
      // A mount that came too late has begun an upload.
      const isLate = way === "mount" && moment === "list";
      assertEquals(status, isLate ? 202 : 201);
      assertEquals(
        (await ask(registry, ["GET", `b/${kind}/${digest}`])).status,
        isLate ? 404 : 200,
        moment,
      );
    }
  });
}

Deno.test("createRegistry() refuses an image whose blob its store lost", async () => {
  const store = createMemoryStore();
  await using registry = createRegistry({ store });
  const config = new TextEncoder().encode("{}");
  assertEquals((await upload(registry, "a", config)).status, 201);
  const put = () =>
    ask(registry, ["PUT", "a/manifests/1"], {
      body: JSON.stringify({
        schemaVersion: 2,
        config: EMPTY_DESCRIPTOR,
        layers: [],
      }),
      headers: { "content-type": MediaType.Manifest },
    });
  assertEquals((await put()).status, 201);
  await store.delete(digestBytes(config));
  assertEquals((await put()).status, 400);
});

const INDEXES: Record<string, (path: string) => RegistryIndex> = {
  memory: createMemoryIndex,
  slow: slowIndex,
  file: createFileIndex,
};

for (const [kind, make] of Object.entries(INDEXES)) {
  Deno.test(`createRegistry() lets one of several with If-None-Match or If-Match have a tag, with a ${kind} index`, async () => {
    const path = await Deno.makeTempDir({ prefix: "containerkit-" });
    await using registry = createRegistry({
      store: createMemoryStore(),
      index: make(path),
    });
    let count = 0;
    const put = (headers: Record<string, string>) =>
      ask(registry, ["PUT", "a/manifests/1"], {
        body: JSON.stringify({
          schemaVersion: 2,
          manifests: [],
          annotations: { count: `${count++}` },
        }),
        headers: { "content-type": MediaType.Index, ...headers },
      });
    const putThree = async (headers: Record<string, string>) => {
      const all = await Promise.all([1, 2, 3].map(() => put(headers)));
      return all.map(({ status }) => status).toSorted();
    };
    assertEquals(await putThree({ "if-none-match": "*" }), [201, 412, 412]);
    const { headers } = await ask(registry, ["HEAD", "a/manifests/1"]);
    const etag = headers.get("etag")!;
    assertEquals(await putThree({ "if-match": etag }), [201, 412, 412]);
    await Deno.remove(path, { recursive: true });
  });
}

/** A store that tells what was begun in it, and lets go of it if it is asked to. */
function tracedStore(canDiscard: boolean) {
  const memory = createMemoryStore();
  const begun = new Set<string>();
  const store: RegistryStore = {
    ...memory,
    writer(ref, options) {
      begun.add(ref);
      return memory.writer(ref, options);
    },
    ...(canDiscard
      ? {
        ingests: {
          list: () => Promise.resolve([...begun].map((ref) => ({ ref }))),
          delete: (ref) => Promise.resolve(begun.delete(ref)),
        },
      }
      : {}),
  };
  return { memory, begun, store };
}

Deno.test("createRegistry() keeps nothing of uploads that it refused or that broke off", async () => {
  for (const canDiscard of [true, false]) {
    const { memory, begun, store } = tracedStore(canDiscard);
    await using registry = createRegistry({ store, blobLimit: 100 });
    const wrong = digestBytes("something else");
    const bytes = testBytes(50);
    assertEquals((await upload(registry, "a", bytes, wrong)).status, 400);
    assertEquals((await upload(registry, "a", testBytes(200))).status, 413);
    const broken = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(bytes),
      pull: (controller) => controller.error(new Error("gone")),
    });
    assertEquals(
      (await ask(registry, ["POST", `a/blobs/uploads/?digest=${wrong}`], {
        body: broken,
      })).status,
      400,
    );
    const refs = canDiscard ? [] : [...begun];
    assertEquals(begun.size, canDiscard ? 0 : 3);
    for (const ref of refs) {
      assertEquals((await memory.writer(ref)).offset, 0);
    }
  }
});

Deno.test("createRegistry() forgets uploads of an earlier process, and nothing else that was partly written", async () => {
  const { begun, store } = tracedStore(true);
  const old = `upload-${crypto.randomUUID()}`;
  for (const ref of [old, "upload-mine", `import-${crypto.randomUUID()}`]) {
    await store.writer(ref);
  }
  await using registry = createRegistry({ store });
  const bytes = testBytes(50);
  assertEquals((await upload(registry, "a", bytes)).status, 201);
  assertEquals(begun.has(old), false);
  assertEquals(begun.has("upload-mine"), true);
  // The one of the upload is there still: only a store that commits forgets it.
  assertEquals(begun.size, 3);
});

Deno.test("createRegistry() takes a manifest while somebody fetches the same as a blob", async () => {
  const store = createMemoryStore();
  await using registry = createRegistry({ store });
  const body = JSON.stringify({ schemaVersion: 2, manifests: [] });
  const digest = digestBytes(body);
  const fetching = await store.writer(`pull-${digest.replace(":", "-")}`);
  const { status } = await ask(registry, ["PUT", `a/manifests/${digest}`], {
    body,
    headers: { "content-type": MediaType.Index },
  });
  assertEquals(status, 201);
  assertEquals(await store.stat(digest), { size: body.length });
  await fetching.abort();
});

Deno.test("createRegistry() holds nobody up while it is decided whether a client may mount", async () => {
  const index = createMemoryIndex();
  await using registry = createRegistry({
    store: createMemoryStore(),
    index,
    async authorize({ action, repository }) {
      if (action !== "pull" || repository !== "a") return true;
      using _alone = await index.lock({ exclusive: true });
      return true;
    },
  });
  const body = testBytes(10);
  const digest = digestBytes(body);
  await upload(registry, "a", body);
  const path = `b/blobs/uploads/?mount=${digest}&from=a`;
  assertEquals((await ask(registry, ["POST", path])).status, 201);
});

Deno.test("createRegistry() does not know what is removed just as it is asked for", async () => {
  const inner = createMemoryStore();
  let asked: string | undefined;
  await using registry = createRegistry({
    store: {
      ...inner,
      async stat(digest) {
        const info = await inner.stat(digest);
        if (digest === asked) await inner.delete(digest);
        return info;
      },
    },
  });
  const body = JSON.stringify({ schemaVersion: 2, manifests: [] });
  const headers = { "content-type": MediaType.Index };
  const blob = testBytes(10);
  await upload(registry, "a", blob);
  await ask(registry, ["PUT", "a/manifests/1"], { body, headers });
  for (
    const [path, digest] of [
      [`a/blobs/${digestBytes(blob)}`, digestBytes(blob)],
      ["a/manifests/1", digestBytes(body)],
    ] as const
  ) {
    asked = digest;
    assertEquals((await ask(registry, ["GET", path])).status, 404);
  }
});
