import { assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "@containerkit/oci";
import { testImage } from "../_test_image.ts";
import { type Fault, isBlob, startFaulty } from "../_test_faults.ts";
import {
  listReferrers,
  listTags,
  pull,
  push,
  type RegistryClient,
  RegistryError,
  resolve,
} from "../mod.ts";
import {
  createMemoryIndex,
  createMemoryStore,
  createRegistry,
  type MemoryStore,
  type PrunableIndex,
  pruneRegistry,
  type RegistryStore,
} from "./mod.ts";

/** A registry behind another one; `hold` is what the one in front keeps. */
function startFront(
  fault?: Fault,
  { signal, hold = createMemoryStore(), client, ...options }: {
    blobLimit?: number;
    client?: ConstructorParameters<typeof RegistryClient>[0];
    signal?: AbortSignal;
    index?: PrunableIndex;
    hold?: RegistryStore & MemoryStore;
  } = {},
) {
  const behind = startFaulty(fault, client === undefined ? {} : { client });
  const registry = createRegistry({
    store: hold,
    upstream: {
      registry: behind.host,
      client: behind.client,
      ...(signal === undefined ? {} : { signal }),
    },
    ...options,
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  return {
    behind,
    hold,
    registry,
    host: `127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
      await behind[Symbol.asyncDispose]();
    },
  };
}

Deno.test("createRegistry() with an upstream fetches what it does not have once, and keeps it", async () => {
  await using front = startFront();
  const { behind, host } = front;
  const { client } = behind;
  const image = testImage({ layers: [100_000, 0] });
  await push(image, `${behind.host}/team/app:1`, { client });
  behind.requests.length = 0;
  const first = await pull(`${host}/team/app:1`, createMemoryStore(), {
    client,
  });
  assertEquals(first.descriptor, image.descriptor);
  // The config and the layer came over once each, whatever asked for them; the empty layer needs no bytes.
  const blobs = behind.requests.filter((text) => text.startsWith("GET"))
    .filter((text) => text.includes("/blobs/"));
  assertEquals(blobs.length, 2);
  assertEquals(new Set(blobs).size, 2);
  behind.requests.length = 0;
  await pull(`${host}/team/app:1`, createMemoryStore(), { client });
  // Whether the tag still names it is asked; nothing else.
  assertEquals(
    behind.requests.map((text) => text.replace(/ \/v2/, " ")),
    Array(behind.requests.length).fill("HEAD /team/app/manifests/1"),
  );
});

Deno.test("createRegistry() with an upstream writes nothing down for a tag that did not move", async () => {
  const index = createMemoryIndex();
  const written: string[] = [];
  await using front = startFront(undefined, {
    index: {
      ...index,
      set(key, value) {
        written.push(key);
        return index.set(key, value);
      },
    },
  });
  const { behind, host } = front;
  const { client } = behind;
  await push(testImage(), `${behind.host}/app:1`, { client });
  await pull(`${host}/app:1`, createMemoryStore(), { client });
  assertEquals(written.filter((key) => key.endsWith("/tags/1")).length, 1);
  written.length = 0;
  await pull(`${host}/app:1`, createMemoryStore(), { client });
  assertEquals(written, []);
});

Deno.test("createRegistry() with an upstream follows a tag that moved, and serves the old image while nobody answers", async () => {
  let isDown = false;
  await using front = startFront(() =>
    isDown ? new Response(null, { status: 503 }) : undefined
  );
  const { behind, host } = front;
  const { client } = behind;
  const images = [1, 2].map((seed) => testImage({ seed }));
  for (const image of images) {
    await push(image, `${behind.host}/app:1`, { client });
    await pull(`${host}/app:1`, createMemoryStore(), { client });
    assertEquals(await resolve(`${host}/app:1`, { client }), image.descriptor);
  }
  isDown = true;
  const last = await pull(`${host}/app:1`, createMemoryStore(), { client });
  assertEquals(last.descriptor, images[1]!.descriptor);
  const error = await assertRejects(
    () => pull(`${host}/other:1`, createMemoryStore(), { client }),
    RegistryError,
  );
  assertEquals(error.status, 502);
});

Deno.test("createRegistry() with an upstream says 404 for what nobody has, and serves its own images and referrers", async () => {
  await using front = startFront();
  const { behind, host } = front;
  const { client } = behind;
  const own = testImage({ seed: 3 });
  const signature = testImage({ seed: 4, subject: own.descriptor });
  await push(own, `${host}/own:1`, { client });
  await push(signature, `${host}/own@${signature.descriptor.digest}`, {
    client,
  });
  await pull(`${host}/own:1`, createMemoryStore(), { client });
  assertEquals(
    (await Array.fromAsync(listReferrers(`${host}/own:1`, { client })))
      .map(({ digest }) => digest),
    [signature.descriptor.digest],
  );
  const error = await assertRejects(
    () => resolve(`${host}/own:2`, { client }),
    RegistryError,
  );
  assertEquals(error.status, 404);
  const digest = digestBytes("nothing");
  const response = await fetch(`http://${host}/v2/own/blobs/${digest}`);
  assertEquals(response.status, 404);
  await response.body?.cancel();
});

Deno.test("createRegistry() with an upstream needs no HEAD of blobs that tells their size", async () => {
  const image = testImage({ layers: [50_000, 0] });
  const silences: Fault[] = [
    () => new Response(null, { status: 405 }),
    async (_, answer) => {
      const response = await answer();
      response.headers.delete("content-length");
      return new Response(null, response);
    },
  ];
  for (const silence of silences) {
    for (const hasRanges of [true, false]) {
      await using front = startFront((request, answer) => {
        if (isBlob(request, "HEAD")) return silence(request, answer);
        return isBlob(request) && !hasRanges
          ? answer(new Request(request.url))
          : undefined;
      });
      const { behind, host, hold } = front;
      const { client } = behind;
      await push(image, `${behind.host}/app:1`, { client });
      const pulled = await pull(`${host}/app:1`, createMemoryStore(), {
        client,
      });
      assertEquals(pulled.descriptor, image.descriptor);
      for (const { digest, size } of image.layers) {
        const url = `http://${host}/v2/app/blobs/${digest}`;
        const head = await fetch(url, { method: "HEAD" });
        assertEquals(head.headers.get("content-length"), String(size));
        assertEquals((await (await fetch(url)).bytes()).length, size);
        assertEquals(await hold.stat(digest), { size });
      }
    }
  }
});

/** An upstream that gives the first half of a layer, and the rest when it is told to. */
async function startHalf(change = (bytes: Uint8Array<ArrayBuffer>) => bytes) {
  const goOn = Promise.withResolvers<void>();
  const image = testImage({ layers: [1024 * 1024] });
  const { digest, size } = image.layers[0]!;
  let isHalf = false;
  const front = startFront(async (request, answer) => {
    if (!isHalf || !isBlob(request)) return undefined;
    const response = await answer();
    const bytes = change(await response.bytes());
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(bytes.slice(0, size / 2));
        await goOn.promise;
        controller.enqueue(bytes.slice(size / 2));
        controller.close();
      },
    });
    return new Response(body, response);
  }, { client: { stallTimeout: 60_000 } });
  const { client, host } = front.behind;
  await push(image, `${host}/app:1`, { client });
  isHalf = true;
  const url = `http://${front.host}/v2/app/blobs/${digest}`;
  return { front, goOn, digest, size, url };
}

/** Reads until so many bytes have come. */
async function readSome(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  count: number,
): Promise<number> {
  let done = 0;
  while (done < count) done += (await reader.read()).value!.length;
  return done;
}

Deno.test("createRegistry() with an upstream sends a blob while it comes, to all who ask for it and from where they want", async () => {
  const { front, goOn, digest, size, url } = await startHalf();
  await using _front = front;
  const first = await fetch(url);
  assertEquals(first.headers.get("content-length"), String(size));
  const readers = [
    first,
    await fetch(url),
    await fetch(url, { headers: { range: "bytes=300000-" } }),
  ].map((response) => response.body!.getReader());
  const counts = [size, size, size - 300_000];
  const read = await Promise.all(
    readers.map((reader) => readSome(reader, 100_000)),
  );
  goOn.resolve();
  await Promise.all(
    readers.map((reader, index) =>
      readSome(reader, counts[index]! - read[index]!)
    ),
  );
  for (const reader of readers) assertEquals((await reader.read()).done, true);
  assertEquals(await front.hold.stat(digest), { size });
  assertEquals(
    front.behind.requests.filter((text) =>
      text === `GET ${new URL(url).pathname}`
    )
      .length,
    1,
  );
});

Deno.test("createRegistry() with an upstream breaks off a blob that turns out to be wrong before its end", async () => {
  const { front, goOn, digest, url } = await startHalf((bytes) => {
    bytes[0]! ^= 1;
    return bytes;
  });
  await using _front = front;
  const response = await fetch(url);
  goOn.resolve();
  await assertRejects(() => response.bytes());
  assertEquals(await front.hold.stat(digest), undefined);
});

Deno.test("createRegistry() with an upstream that is disposed of breaks off what it fetches, and keeps it for another time", async () => {
  const { front, digest, url } = await startHalf();
  const response = await fetch(url);
  const reader = response.body!.getReader();
  await readSome(reader, 100_000);
  await front.registry[Symbol.asyncDispose]();
  await assertRejects(() => readSome(reader, Infinity));
  const writer = await front.hold.writer(`pull-${digest.replace(":", "-")}`);
  assertEquals(writer.offset >= 100_000, true);
  await writer.abort();
  await front[Symbol.asyncDispose]();
});

Deno.test("createRegistry() with an upstream fetches nothing for a HEAD, but what a pushed manifest needs", async () => {
  await using front = startFront();
  const { behind, hold, host } = front;
  const { client } = behind;
  const image = testImage({ layers: [50_000] });
  const [layer] = image.layers;
  await push(image, `${behind.host}/app:1`, { client });
  const url = `http://${host}/v2/app/blobs/${layer!.digest}`;
  const head = await fetch(url, { method: "HEAD" });
  assertEquals(head.headers.get("content-length"), "50000");
  assertEquals(await hold.stat(layer!.digest), undefined);
  await push(image, `${host}/app:own`, { client });
  assertEquals(await hold.stat(layer!.digest), { size: 50_000 });
});

Deno.test("createRegistry() with an upstream keeps no wrong byte, and nothing above its limit", async () => {
  const image = testImage({ layers: [50_000] });
  const [layer] = image.layers;
  const isLayer = (request: Request) =>
    request.method === "GET" && request.url.endsWith(layer!.digest);
  await using front = startFront((request) =>
    isLayer(request) ? new Response(new Uint8Array(50_000)) : undefined
  );
  const { client } = front.behind;
  await push(image, `${front.behind.host}/app:1`, { client });
  await assertRejects(() =>
    pull(`${front.host}/app:1`, createMemoryStore(), { client })
  );
  assertEquals(await front.hold.stat(layer!.digest), undefined);
  await using small = startFront(undefined, { blobLimit: 1000 });
  await push(image, `${small.behind.host}/app:1`, { client });
  await assertRejects(
    () => pull(`${small.host}/app:1`, createMemoryStore(), { client }),
    RegistryError,
    "404",
  );
});

Deno.test("createRegistry() with an upstream fetches again what its store lost", async () => {
  await using front = startFront();
  const { behind, hold, host } = front;
  const { client } = behind;
  const image = testImage({ layers: [50_000] });
  await push(image, `${behind.host}/app:1`, { client });
  await pull(`${host}/app:1`, createMemoryStore(), { client });
  for (const { digest } of [...image.layers, image.manifest.config]) {
    assertEquals(await hold.delete(digest), true);
  }
  const again = await pull(`${host}/app:1`, createMemoryStore(), { client });
  assertEquals(again.descriptor, image.descriptor);
  assertEquals(await hold.stat(image.layers[0]!.digest), { size: 50_000 });
});

Deno.test("createRegistry() with an upstream keeps what it fetches for a client that leaves", async () => {
  const image = testImage({ layers: [50_000] });
  const [layer] = image.layers;
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let isHeld = false;
  await using front = startFront(async (request, answer) => {
    if (!isHeld || !request.url.endsWith(layer!.digest)) return undefined;
    if (request.method === "HEAD") return undefined;
    asked.resolve();
    await goOn.promise;
    return await answer();
  });
  const { behind, hold, host } = front;
  const { client } = behind;
  await push(image, `${behind.host}/app:1`, { client });
  isHeld = true;
  const controller = new AbortController();
  const left = fetch(`http://${host}/v2/app/blobs/${layer!.digest}`, {
    signal: controller.signal,
  });
  await asked.promise;
  controller.abort();
  await assertRejects(() => left);
  // Long enough for the server to notice.
  await new Promise((resolve) => setTimeout(resolve, 100));
  goOn.resolve();
  for (
    let tries = 0;
    tries < 500 && await hold.stat(layer!.digest) === undefined;
    tries++
  ) await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(await hold.stat(layer!.digest), { size: 50_000 });
});

Deno.test("createRegistry() with an upstream ends what it fetches by a signal", async () => {
  const controller = new AbortController();
  const goOn = Promise.withResolvers<undefined>();
  await using front = startFront(() => {
    controller.abort();
    return goOn.promise;
  }, { signal: controller.signal });
  const response = await fetch(`http://${front.host}/v2/app/manifests/1`);
  goOn.resolve(undefined);
  assertEquals(response.status, 500);
  await response.body?.cancel();
});

Deno.test("createRegistry() with an upstream lists that one's tags and referrers beside its own", async () => {
  let isDown = false;
  await using front = startFront(() =>
    isDown ? new Response(null, { status: 503 }) : undefined
  );
  const { behind, host } = front;
  const { client } = behind;
  const image = testImage();
  const signatures = [2, 3].map((seed) =>
    testImage({ seed, subject: image.descriptor })
  );
  const digests = signatures.map(({ descriptor }) => descriptor.digest);
  await push(image, `${behind.host}/app:1`, { client });
  await push(image, `${behind.host}/app:2`, { client });
  await push(signatures[0]!, `${behind.host}/app@${digests[0]}`, { client });
  const tags = (name: string) =>
    Array.fromAsync(listTags(`${host}/${name}`, { client }));
  const referrers = async () =>
    (await Array.fromAsync(
      listReferrers(`${host}/app@${image.descriptor.digest}`, { client }),
    )).map(({ digest }) => digest);
  assertEquals(await tags("app"), ["1", "2"]);
  assertEquals(await referrers(), [digests[0]]);
  await push(image, `${host}/app:own`, { client });
  await push(signatures[1]!, `${host}/app@${digests[1]}`, { client });
  assertEquals(await tags("app"), ["1", "2", "own"]);
  assertEquals(await referrers(), digests.toSorted());
  await assertRejects(() => tags("nothing"), RegistryError, "NAME_UNKNOWN");
  isDown = true;
  assertEquals(await tags("app"), ["own"]);
  assertEquals(await referrers(), [digests[1]]);
  // What nobody could say is not told to be nothing.
  const error = await assertRejects(
    () => tags("nothing"),
    RegistryError,
    "gave 502 UNKNOWN the registry behind this one gave 503",
  );
  assertEquals(error.status, 502);
});

Deno.test("createRegistry() with an upstream says whose fault it is that nobody answers", async () => {
  let fault: Fault = () => undefined;
  await using front = startFront((request, answer) => fault(request, answer));
  const { host } = front;
  const path = `http://${host}/v2/app/blobs/${digestBytes("")}`;
  const ask = async () => {
    const response = await fetch(path);
    return [
      response.status,
      response.headers.get("retry-after"),
      (await response.json()).errors[0].message,
    ];
  };
  fault = () => new Response(null, { status: 500 });
  assertEquals(await ask(), [
    502,
    null,
    "the registry behind this one gave 500",
  ]);
  fault = () => Response.redirect("file:///etc/passwd");
  assertEquals(await ask(), [
    502,
    null,
    "the registry behind this one answered what it must not",
  ]);
  // Others want what is here: that they wait helps nobody.
  fault = () =>
    new Response(null, { status: 429, headers: { "retry-after": "600" } });
  assertEquals(await ask(), [
    502,
    null,
    "the registry behind this one gave 429",
  ]);
});

Deno.test("createRegistry() with an upstream keeps what it has of a blob, unless there was no room for it", async () => {
  const kept = new Set<string>();
  const memory = createMemoryStore();
  let code = "EIO";
  await using front = startFront(undefined, {
    hold: {
      ...memory,
      async writer(ref) {
        kept.add(ref);
        const writer = await memory.writer(ref);
        const cause = Object.assign(new Error("of the disk"), { code });
        const failure = new Error("Cannot write", { cause });
        return { ...writer, offset: 0, write: () => Promise.reject(failure) };
      },
      ingests: {
        list: () => Promise.resolve([...kept].map((ref) => ({ ref }))),
        delete: (ref) => Promise.resolve(kept.delete(ref)),
      },
    },
  });
  const { behind, host } = front;
  const image = testImage();
  await push(image, `${behind.host}/app:1`, { client: behind.client });
  const [layer] = image.layers;
  const ask = async () => {
    const response = await fetch(
      `http://${host}/v2/app/blobs/${layer!.digest}`,
    );
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await ask(), 500);
  assertEquals(kept.size, 1);
  code = "ENOSPC";
  assertEquals(await ask(), 507);
  assertEquals(kept.size, 0);
});

Deno.test("createRegistry() with an upstream fetches again what is pruned, also if that is while it is asked for", async () => {
  const index = createMemoryIndex();
  const hold = createMemoryStore();
  const prune = () =>
    pruneRegistry({ store: hold, index, untagged: true, grace: 0 });
  let isPruned = false;
  await using front = startFront(async ({ method, url }) => {
    if (!isPruned || method !== "HEAD" || !url.endsWith("/manifests/1")) return;
    isPruned = false;
    // By digest it was fetched without a tag.
    assertEquals((await prune()).removed.length, 3);
    return undefined;
  }, { index, hold });
  const { behind, host } = front;
  const { client } = behind;
  const [old, image] = [1, 2].map((seed) => testImage({ seed })) as [
    ReturnType<typeof testImage>,
    ReturnType<typeof testImage>,
  ];
  const pullIt = async (reference: string, expected: typeof old) => {
    const { descriptor } = await pull(
      `${host}/app${reference}`,
      createMemoryStore(),
      { client },
    );
    assertEquals(descriptor, expected.descriptor);
  };
  await push(old, `${behind.host}/app:1`, { client });
  await pullIt(`@${old.descriptor.digest}`, old);
  isPruned = true;
  await pullIt(":1", old);
  assertEquals(isPruned, false);
  await push(image, `${behind.host}/app:1`, { client });
  await pullIt(":1", image);
  // The tag moved on.
  assertEquals(
    (await prune()).removed.map(({ digest }) => digest)[0],
    old.descriptor.digest,
  );
  await pullIt(`@${old.descriptor.digest}`, old);
  await pullIt(":1", image);
});

Deno.test("createRegistry() with an upstream fetches a blob once more that is removed before it is its own", async () => {
  const hold = createMemoryStore();
  const inner = createMemoryIndex();
  let removed: string | undefined;
  const index: PrunableIndex = {
    ...inner,
    async lock(options) {
      if (removed !== undefined) await hold.delete(removed);
      removed = undefined;
      return await inner.lock(options);
    },
  };
  await using front = startFront(undefined, { index, hold });
  const { behind, host } = front;
  const { client } = behind;
  const image = testImage();
  const { digest } = image.layers[0]!;
  await push(image, `${behind.host}/app:1`, { client });
  // Another repository has it.
  await push(image, `${host}/other:1`, { client });
  removed = digest;
  const response = await fetch(`http://${host}/v2/app/blobs/${digest}`);
  assertEquals(response.status, 200);
  assertEquals(digestBytes(await response.bytes()), digest);
  assertEquals(removed, undefined);
});
