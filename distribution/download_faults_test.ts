/**
 * Downloads from a registry that does everything wrong: they end right or with a typed error, never with a wrong byte, never not at all.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DigestMismatchError } from "@containerkit/oci";
import { testBytes } from "./_test_image.ts";
import { cutBody, type FaultyRegistry } from "./_test_faults.ts";
import type { BlobStore } from "./blob_store.ts";
import {
  NetworkError,
  openRepository,
  ProtocolError,
  pull,
  RegistryClient,
  RegistryError,
  type RegistryHost,
  resolve,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";
import {
  isLayer,
  layer,
  pullFails,
  pullRight,
  SIZE,
  start,
  times,
} from "./_test_faulty_image.ts";

Deno.test("pull() goes on where a download stands still, and reads no byte twice", async () => {
  await using faulty = await start(
    times(
      3,
      async (_, answer) => cutBody(await answer(), 100_000, { stall: true }),
    ),
  );
  await pullRight(faulty);
  const ranges = faulty.requests.filter((text) => text.includes(layer.digest))
    .map((text) => text.split(" ")[2]);
  assertEquals(ranges.length, 4);
  assert(ranges.slice(1).every((range) => /^bytes=\d+-499999$/.test(range!)));
});

Deno.test("a repository's stream that is cancelled asks for no more, and waits for nothing", async () => {
  await using faulty = await start(
    times(
      100,
      async (_, answer) => cutBody(await answer(), 100_000, { stall: true }),
    ),
    { client: { stallTimeout: 60_000 } },
  );
  const repository = openRepository(`${faulty.host}/app`, {
    client: faulty.client,
  });
  const reader = (await repository.open(layer)).getReader();
  for (let read = 0; read < 100_000;) {
    read += (await reader.read()).value!.length;
  }
  const asked = faulty.requests.length;
  const next = reader.read();
  // Until it waits for the server.
  await new Promise((resolve) => setTimeout(resolve));
  await reader.cancel(new Error("enough"));
  assertEquals((await next).done, true);
  assertEquals(faulty.requests.length, asked);
});

Deno.test("pull() gives up when a connection breaks again and again", async () => {
  await using faulty = await start(
    times(100, async (_, answer) => cutBody(await answer(), 10)),
  );
  await pullFails(faulty, NetworkError, "at byte");
});

Deno.test("pull() goes on when a connection breaks", async () => {
  await using faulty = await start(
    times(3, async (_, answer) => cutBody(await answer(), 100_000)),
  );
  await pullRight(faulty);
});

Deno.test("pull() asks for all of a blob where a server refuses its parts", async () => {
  let count = 0;
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    if (request.headers.has("range")) {
      return new Response(null, { status: 416 });
    }
    return count++ === 0
      ? cutBody(await answer(), 100_000, { stall: true })
      : undefined;
  });
  await pullRight(faulty);
  assertEquals(count, 2);
});

Deno.test("pull() copes with a server that ignores ranges", async () => {
  let count = 0;
  await using faulty = await start((request, answer) => {
    if (!isLayer(request)) return undefined;
    const whole = new Request(request.url);
    return count++ === 0
      ? answer(whole).then((response) =>
        cutBody(response, 100_000, { stall: true })
      )
      : answer(whole);
  });
  await pullRight(faulty);
});

const LIES: Readonly<Record<string, (headers: Headers) => void>> = {
  "another start": (headers) =>
    headers.set("content-range", `bytes 7-${SIZE - 1}/${SIZE}`),
  "another end": (headers) => {
    const start = /\d+/.exec(headers.get("content-range")!)![0];
    headers.set("content-range", `bytes ${start}-${SIZE}/${SIZE}`);
  },
  "another size": (headers) =>
    headers.set(
      "content-range",
      headers.get("content-range")!.replace(/\d+$/, "999"),
    ),
  "another unit": (headers) =>
    headers.set(
      "content-range",
      headers.get("content-range")!.replace("bytes", "lines"),
    ),
  "no range": (headers) => headers.delete("content-range"),
};
for (const [name, lie] of Object.entries(LIES)) {
  Deno.test(`pull() refuses a part that states ${name}`, async () => {
    let count = 0;
    await using faulty = await start(async (request, answer) => {
      if (!isLayer(request)) return undefined;
      const response = await answer();
      if (count++ === 0) return cutBody(response, 100_000, { stall: true });
      const headers = new Headers(response.headers);
      lie(headers);
      return new Response(response.body, { status: 206, headers });
    });
    await pullFails(faulty, ProtocolError, "Cannot pull blob");
  });
}

Deno.test("pull() refuses a part whose bytes lie", async () => {
  let count = 0;
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    const response = await answer();
    if (count++ === 0) return cutBody(response, 100_000, { stall: true });
    const bytes = new Uint8Array(await response.arrayBuffer());
    bytes[0]! ^= 1;
    return new Response(bytes, response);
  });
  await pullFails(faulty, DigestMismatchError);
});

Deno.test("pull() takes no byte beyond the size", async () => {
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    const bytes = new Uint8Array(await (await answer()).arrayBuffer());
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes),
      pull: (controller) => controller.enqueue(testBytes(65536)),
    });
    return new Response(endless);
  });
  await pullFails(faulty, ProtocolError, "sends more than its 500000 bytes");
});

Deno.test("pull() refuses a blob whose length is stated wrongly", async () => {
  await using faulty = await start((request) =>
    isLayer(request) ? new Response(testBytes(10)) : undefined
  );
  await pullFails(faulty, ProtocolError, "the server has 10 bytes, not 500000");
});

Deno.test("the next mirror goes on in the middle of a blob, and makes up for one with wrong bytes", async () => {
  await using origin = await start(() => undefined);
  await using cutting = await start(async (request, answer) =>
    isLayer(request)
      ? cutBody(await answer(), 100_000, { stall: true })
      : undefined
  );
  await using lying = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    const bytes = new Uint8Array(await (await answer()).arrayBuffer());
    return new Response(bytes.map((byte) => byte ^ 1));
  });
  for (const first of [cutting, lying]) {
    const url = (registry: FaultyRegistry) => `http://${registry.host}/v2/`;
    const list: RegistryHost[] = [
      { url: url(first), capabilities: ["pull"] },
      { url: url(origin) },
    ];
    origin.requests.length = 0;
    const client = new RegistryClient({
      hosts: () => list,
      retry: { attempts: 3, delay: 1 },
      stallTimeout: 100,
    });
    const store = createMemoryStore();
    await pull("registry.example/app:1", store, { client });
    assertEquals(await store.stat(layer.digest), { size: SIZE });
    // What the first one gave is not asked for again, unless it was wrong.
    const asked = origin.requests.find((text) => text.includes(layer.digest));
    assertEquals(/bytes=[1-9]/.test(asked!), first === cutting);
    assert(
      first.requests.every((text) => text.includes("ns=registry.example")),
    );
  }
});

Deno.test("the next mirror makes up for one with a wrong manifest or config", async () => {
  await using origin = await start(() => undefined);
  await using lying = await start(async (request, answer) => {
    const isSmall = request.method === "GET" && !isLayer(request);
    if (!isSmall || !/sha256:/.test(request.url)) return undefined;
    const bytes = new Uint8Array(await (await answer()).arrayBuffer());
    return new Response(bytes.map((byte) => byte ^ 1));
  });
  using client = new RegistryClient({
    hosts: () =>
      [lying, origin].map(({ host }) => ({ url: `http://${host}/v2/` })),
    retry: { attempts: 3, delay: 1 },
  });
  lying.requests.length = 0;
  await pull("registry.example/app:1", createMemoryStore(), { client });
  for (const kind of ["manifests", "blobs"]) {
    assert(
      lying.requests.some((text) => text.includes(`/${kind}/sha256:`)),
      kind,
    );
  }
});

/** A port that takes connections and drops them; `count` is how many. */
function startDead() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dead = {
    url: `http://127.0.0.1:${listener.addr.port}/v2/`,
    count: 0,
    [Symbol.dispose]: () => listener.close(),
  };
  (async () => {
    for await (const connection of listener) {
      dead.count++;
      connection.close();
    }
  })().catch(() => {});
  return dead;
}

Deno.test("a mirror that cannot be reached is passed over, and no longer asked for a while", async () => {
  await using origin = await start(() => undefined);
  using dead = startDead();
  using client = new RegistryClient({
    hosts: () => [
      { url: dead.url, capabilities: ["pull", "resolve"] },
      { url: `http://${origin.host}/v2/` },
    ],
    retry: { attempts: 50, delay: 1 },
  });
  const store = createMemoryStore();
  await pull("registry.example/app:1", store, { client });
  assertEquals(await store.stat(layer.digest), { size: SIZE });
  // A moment's patience is for a few attempts, and for the first request only.
  const { count } = dead;
  assert(count > 0 && count < 10, `${count}`);
  await pull("registry.example/app:1", createMemoryStore(), { client });
  assertEquals(dead.count, count);
  // What the registry itself says counts.
  const error = await assertRejects(
    () => resolve("registry.example/app:2", { client }),
    RegistryError,
  );
  assertEquals(error.status, 404);
});

Deno.test("a mirror that fails for longer is waited for when the registry cannot be reached", async () => {
  let failures = 0;
  await using mirror = await start(() =>
    failures-- > 0 ? new Response(null, { status: 503 }) : undefined
  );
  using dead = startDead();
  using client = new RegistryClient({
    hosts: () => [{ url: `http://${mirror.host}/v2/` }, { url: dead.url }],
    retry: { attempts: 30, delay: 1, maxDelay: 5 },
  });
  failures = 20;
  const store = createMemoryStore();
  await pull("registry.example/app:1", store, { client });
  assertEquals(await store.stat(layer.digest), { size: SIZE });
});

Deno.test("a mirror that wants to be left alone is passed over at once", async () => {
  await using origin = await start(() => undefined);
  let isBusy = false;
  await using mirror = await start(() =>
    isBusy
      ? new Response(null, { status: 429, headers: { "retry-after": "60" } })
      : undefined
  );
  isBusy = true;
  mirror.requests.length = 0;
  using client = new RegistryClient({
    hosts: () => [
      { url: `http://${mirror.host}/v2/` },
      { url: `http://${origin.host}/v2/` },
    ],
    retry: { attempts: 3, delay: 1 },
  });
  await pull("registry.example/app:1", createMemoryStore(), { client });
  assertEquals(mirror.requests.length, 1);
});

Deno.test("pull() ends when it is aborted, and a later one goes on from there", async () => {
  const controller = new AbortController();
  let isFirst = true;
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request) || !isFirst) return undefined;
    isFirst = false;
    return cutBody(await answer(), 200_000, { stall: true });
  }, { client: { stallTimeout: 60_000 } });
  const store = createMemoryStore();
  const writer = store.writer;
  let written = 0;
  const watching: BlobStore = {
    ...store,
    async writer(ref, options) {
      const real = await writer(ref, options);
      return {
        get offset() {
          return real.offset;
        },
        async write(chunk) {
          await real.write(chunk);
          written += chunk.length;
          if (
            options?.descriptor?.digest === layer.digest &&
            real.offset >= 200_000
          ) {
            controller.abort();
          }
        },
        commit: (size, digest) => real.commit(size, digest),
        abort: () => real.abort(),
      };
    },
  };
  await assertRejects(
    () =>
      pull(`${faulty.host}/app:1`, watching, {
        client: faulty.client,
        signal: controller.signal,
      }),
    DOMException,
  );
  assert(written > 0);
  faulty.requests.length = 0;
  await pullRight(faulty, store);
  assert(
    faulty.requests.some((text) => text.endsWith(`bytes=200000-${SIZE - 1}`)),
  );
});

Deno.test("a blob of a repository that is opened ends when its reader cancels it, whatever is still to come", async () => {
  await using faulty = await start(
    async (request, answer) =>
      isLayer(request)
        ? cutBody(await answer(), 1000, { stall: true })
        : undefined,
    { client: { stallTimeout: 60_000 } },
  );
  const { client, host, requests } = faulty;
  const stream = await openRepository(`${host}/app`, { client }).open(layer);
  const reader = stream.getReader();
  assertEquals((await reader.read()).value?.length, 1000);
  const next = reader.read();
  // It is being waited for by now.
  await new Promise((resolve) => setTimeout(resolve, 10));
  await reader.cancel();
  assertEquals((await next).done, true);
  assertEquals(requests.length, 1);
});
