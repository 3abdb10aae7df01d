/** Pulls into a store that takes large bodies whole: their bytes do not pass through the program. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openStore, type Store } from "@containerkit/content";
import {
  type BlobStore,
  NetworkError,
  pull,
  push,
} from "@containerkit/distribution";
import {
  cutBody,
  type Fault,
  type FaultyRegistry,
  isBlob,
  startFaulty,
} from "../distribution/_test_faults.ts";
import { testBytes, testImage } from "../distribution/_test_image.ts";
import { createRegistry } from "@containerkit/distribution/registry";
import { digestBytes } from "@containerkit/oci";
import { tempDir, until } from "./mod.ts";

const SIZE = 6_000_000;
const image = testImage({ layers: [SIZE] });
const [layer] = image.layers;

interface Watched {
  readonly blobs: BlobStore;
  /** How often a body was taken whole. */
  taken: number;
}

function watched(store: Store): Watched {
  const watch: Watched = {
    taken: 0,
    blobs: {
      stat: (digest) => store.stat(digest),
      open: (digest, options) => store.open(digest, options),
      async writer(ref, options) {
        const writer = await store.writer(ref, options);
        const { readFrom } = writer;
        writer.readFrom = (...args) => {
          watch.taken++;
          return readFrom.apply(writer, args);
        };
        return writer;
      },
    },
  };
  return watch;
}

/** A registry that has the image, and faults from then on. */
async function start(fault: Fault): Promise<FaultyRegistry> {
  let isReady = false;
  const faulty = startFaulty((request, answer) =>
    isReady && isBlob(request) && request.url.endsWith(layer!.digest)
      ? fault(request, answer)
      : undefined
  );
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  faulty.requests.length = 0;
  return faulty;
}

function rangesOf({ requests }: FaultyRegistry): string[] {
  return requests.filter((text) => text.includes(layer!.digest))
    .map((text) => text.split(" ")[2] ?? "");
}

/** For one connection at a time. */
const ALONE = { concurrency: 1 };

Deno.test("pull() has the store take a large layer whole, and tells how far it is", async () => {
  using temp = tempDir();
  await using faulty = await start(() => undefined);
  using store = await openStore({ root: temp.path });
  const watch = watched(store);
  const offsets: number[] = [];
  await pull(`${faulty.host}/app:1`, watch.blobs, {
    client: faulty.client,
    ...ALONE,
    onProgress: ({ type, descriptor, offset }) => {
      if (descriptor.digest !== layer!.digest) return;
      if (type === "progress" || type === "done") offsets.push(offset);
    },
  });
  assertEquals(watch.taken, 1);
  assertEquals(await store.stat(layer!.digest), { size: SIZE });
  assertEquals(offsets.at(-1), SIZE);
  assertEquals(offsets, offsets.toSorted((a, b) => a - b));
});

for (const stall of [true, false]) {
  Deno.test(`pull() goes on where a layer that is taken whole ${stall ? "stands still" : "breaks off"}`, async () => {
    using temp = tempDir();
    let count = 0;
    await using faulty = await start(async (_request, answer) =>
      count++ === 0 ? cutBody(await answer(), 1_500_000, { stall }) : undefined
    );
    using store = await openStore({ root: temp.path });
    const watch = watched(store);
    await pull(`${faulty.host}/app:1`, watch.blobs, {
      client: faulty.client,
      ...ALONE,
    });
    assertEquals(watch.taken, 2);
    assertEquals(await store.stat(layer!.digest), { size: SIZE });
    const [first, second] = rangesOf(faulty);
    assertEquals(first, "");
    if (stall) assertEquals(second, `bytes=1500000-${SIZE - 1}`);
  });
}

Deno.test("pull() gives up when a layer that is taken whole breaks off again and again", async () => {
  using temp = tempDir();
  await using faulty = await start(async (_request, answer) =>
    cutBody(await answer(), 10)
  );
  using store = await openStore({ root: temp.path });
  await assertRejects(
    () =>
      pull(`${faulty.host}/app:1`, watched(store).blobs, {
        client: faulty.client,
        ...ALONE,
      }),
    NetworkError,
    "the connection broke at byte",
  );
});

Deno.test("pull() that is called off leaves what a store took of a layer, and the next one goes on there", async () => {
  using temp = tempDir();
  let count = 0;
  const controller = new AbortController();
  await using faulty = await start(async (_request, answer) => {
    if (count++ > 0) return undefined;
    setTimeout(() => controller.abort(new RangeError("enough")), 60);
    return cutBody(await answer(), 1_500_000, { stall: true });
  });
  using store = await openStore({ root: temp.path });
  const options = { client: faulty.client, ...ALONE };
  await assertRejects(
    () =>
      pull(`${faulty.host}/app:1`, store, {
        ...options,
        signal: controller.signal,
      }),
    RangeError,
    "enough",
  );
  await pull(`${faulty.host}/app:1`, store, options);
  assertEquals(rangesOf(faulty).at(-1), `bytes=1500000-${SIZE - 1}`);
  assertEquals(await store.stat(layer!.digest), { size: SIZE });
});

Deno.test("pull() has no body taken whole that does not say how long it is", async () => {
  using temp = tempDir();
  await using faulty = await start(async (_request, answer) => {
    const response = await answer();
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    return new Response(
      response.body!.pipeThrough(new TransformStream()),
      { status: response.status, headers },
    );
  });
  using store = await openStore({ root: temp.path });
  const watch = watched(store);
  await pull(`${faulty.host}/app:1`, watch.blobs, {
    client: faulty.client,
    ...ALONE,
  });
  assertEquals(watch.taken, 0);
  assert(await store.stat(layer!.digest));
});

/** A registry over a store of its own. */
function startStored(
  store: Store,
  options: { blobLimit?: number; onError?: (error: unknown) => void } = {},
) {
  const registry = createRegistry({ store, ...options });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => registry(request),
  );
  const host = `127.0.0.1:${server.addr.port}`;
  return {
    host,
    async begin(): Promise<URL> {
      const answer = await fetch(`http://${host}/v2/app/blobs/uploads/`, {
        method: "POST",
      });
      await answer.body?.cancel();
      return new URL(answer.headers.get("location")!, `http://${host}`);
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
    },
  };
}

Deno.test("createRegistry() goes on with an upload where it broke off", async () => {
  using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const faults: unknown[] = [];
  await using served = startStored(store, {
    onError: (error) => faults.push(error),
  });
  const bytes = testBytes(1_000_000);
  const url = await served.begin();
  {
    using connection = await Deno.connect({
      hostname: url.hostname,
      port: Number(url.port),
    });
    const head = `PATCH ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\n` +
      `content-length: ${bytes.length}\r\n\r\n`;
    await new Blob([head, bytes.subarray(0, 300_000)]).stream()
      .pipeTo(connection.writable, { preventClose: true });
  }
  await until("the first part", async () => await offsetOf(url) === 300_000);
  // The request that broke off is still being ended.
  await until("the second part", async () => {
    const answer = await fetch(url, {
      method: "PATCH",
      headers: { "content-range": `300000-${bytes.length - 1}` },
      body: bytes.subarray(300_000),
    });
    await answer.body?.cancel();
    return answer.status === 202;
  });
  url.searchParams.set("digest", digestBytes(bytes));
  const answer = await fetch(url, { method: "PUT" });
  await answer.body?.cancel();
  assertEquals(answer.status, 201);
  assertEquals(faults, []);
  assertEquals(await store.stat(digestBytes(bytes)), { size: bytes.length });
});

async function offsetOf(url: URL): Promise<number> {
  const answer = await fetch(url);
  await answer.body?.cancel();
  return Number(answer.headers.get("range")?.split("-")[1]) + 1;
}

Deno.test("createRegistry() lets a store take no more than the largest blob", async () => {
  using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await using served = startStored(store, { blobLimit: 1000 });
  const bytes = testBytes(2000);
  for (const body of [() => bytes, () => new Blob([bytes]).stream()]) {
    const url = await served.begin();
    const answer = await fetch(url, { method: "PATCH", body: body() });
    await answer.body?.cancel();
    assertEquals(answer.status, 413);
  }
  assertEquals(await store.ingests.list(), []);
});
