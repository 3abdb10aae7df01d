/** Blobs that are files go to the socket within the runtime, wherever nobody has to see their bytes. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openStore, type Store } from "@containerkit/content";
import { openImage, pull, push } from "@containerkit/distribution";
import { createRegistry } from "@containerkit/distribution/registry";
import { startFaulty } from "../distribution/_test_faults.ts";
import { testBytes, testImage } from "../distribution/_test_image.ts";
import { tempDir, until } from "./mod.ts";

const SIZE = 6_000_000;
const image = testImage({ layers: [SIZE] });
const layer = image.layers[0]!;

/** A store that has the image, and what was said to each opening of its layer. */
async function stored(root: string) {
  const store = await openStore({ root });
  await using faulty = startFaulty();
  await push(image, `${faulty.host}/app:1`);
  const made = await pull(`${faulty.host}/app:1`, store);
  const opened: (boolean | undefined)[] = [];
  const source = await openImage({
    open(digest, options) {
      if (digest === layer.digest) opened.push(options?.direct);
      return store.open(digest, options);
    },
  }, made.descriptor);
  return { store, source, opened, [Symbol.dispose]: () => store.close() };
}

/** How many of a store's files this process has open. */
function openFiles(store: Store): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`)
        .startsWith(`${store.path}/blobs/`);
    } catch {
      return false;
    }
  }).length;
}

async function closed(store: Store): Promise<void> {
  await until("the files are closed", () => openFiles(store) === 0);
}

Deno.test("push() sends the file of a layer as it is, unless someone is told how far it is", async () => {
  using temp = tempDir();
  using from = await stored(temp.path);
  await using faulty = startFaulty();
  await push(from.source, `${faulty.host}/a:1`, { client: faulty.client });
  assertEquals(from.opened, [true]);
  const offsets: number[] = [];
  await push(from.source, `${faulty.host}/b:1`, {
    client: faulty.client,
    onProgress({ type, descriptor, offset }) {
      if (type === "progress" && descriptor.digest === layer.digest) {
        offsets.push(offset);
      }
    },
  });
  assertEquals(from.opened, [true, undefined]);
  assert(offsets.length > 3);
  await closed(from.store);
});

Deno.test("push() of a file that breaks off goes on from what the registry has, and counts", async () => {
  using temp = tempDir();
  using from = await stored(temp.path);
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method !== "PATCH" || count++ > 0) return undefined;
    const bytes = new Uint8Array(await request.arrayBuffer());
    await answer(
      new Request(request.url, {
        method: "PATCH",
        body: bytes.slice(0, 1_000_000),
      }),
    );
    return new Response(null, { status: 502 });
  });
  await push(from.source, `${faulty.host}/a:1`, { client: faulty.client });
  assertEquals(from.opened, [true, undefined]);
  const sent = faulty.requests.filter((text) => text.startsWith("PATCH"))
    .map((text) => text.split(" ")[2]);
  assertEquals(sent, [undefined, `1000000-${SIZE - 1}`]);
  const response = await faulty.registry(
    new Request(`http://x/v2/a/blobs/${layer.digest}`),
  );
  assertEquals(await response.bytes(), testBytes(SIZE, 1001));
  await closed(from.store);
});

Deno.test("push() of a file that is not through in time goes on, and counts", async () => {
  using temp = tempDir();
  using from = await stored(temp.path);
  const end = Promise.withResolvers<Response>();
  let count = 0;
  await using faulty = startFaulty(
    (request) =>
      request.method === "PATCH" && count++ === 0 ? end.promise : undefined,
    { client: { timeout: 50, retry: { attempts: 2, delay: 1 } } },
  );
  await push(from.source, `${faulty.host}/a:1`, { client: faulty.client });
  assertEquals(from.opened, [true, undefined]);
  end.resolve(new Response());
  await closed(from.store);
});

for (const [word, size] of [["short", SIZE - 1], ["long", SIZE + 1]] as const) {
  Deno.test(`push() tells a file that is too ${word}, and leaves nothing open`, async () => {
    using temp = tempDir();
    const path = `${temp.path}/file`;
    await Deno.writeFile(path, new Uint8Array(size));
    let count = 0;
    const source = {
      ...image,
      layers: [{
        ...layer,
        async open() {
          count++;
          return (await Deno.open(path)).readable;
        },
      }],
    };
    await using faulty = startFaulty();
    await assertRejects(
      () => push(source, `${faulty.host}/a:1`, { client: faulty.client }),
      Error,
      `its source has ${word === "short" ? size : "more"} bytes`,
    );
    assert(count > 0);
    assert(
      ![...Deno.readDirSync("/proc/self/fd")].some(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`) === path;
        } catch {
          return false;
        }
      }),
    );
  });
}

Deno.test("push() of a file that is called off ends at once, and closes it", async () => {
  using temp = tempDir();
  using from = await stored(temp.path);
  const controller = new AbortController();
  await using faulty = startFaulty((request) => {
    if (request.method !== "PATCH") return undefined;
    controller.abort(new RangeError("enough"));
    return new Response(null, { status: 500 });
  });
  await assertRejects(
    () =>
      push(from.source, `${faulty.host}/a:1`, {
        client: faulty.client,
        signal: controller.signal,
      }),
    RangeError,
    "enough",
  );
  await closed(from.store);
});

Deno.test("the registry sends files as they are, from any place to their end", async () => {
  using temp = tempDir();
  using from = await stored(temp.path);
  await using origin = createRegistry({ store: from.store });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => origin(request),
  );
  const host = `127.0.0.1:${server.addr.port}`;
  await push(from.source, `${host}/app:1`);
  const bytes = testBytes(SIZE, 1001);
  const get = async (range?: string) => {
    const response = await fetch(
      `http://${host}/v2/app/blobs/${layer.digest}`,
      range === undefined ? {} : { headers: { range } },
    );
    return {
      length: response.headers.get("content-length"),
      body: await response.bytes(),
    };
  };
  for (
    const [range, start, end] of [
      [undefined, 0, SIZE],
      ["bytes=5000000-", 5_000_000, SIZE],
      ["bytes=-7", SIZE - 7, SIZE],
      ["bytes=10-19", 10, 20],
    ] as const
  ) {
    assertEquals(await get(range), {
      length: String(end - start),
      body: bytes.slice(start, end),
    });
  }
  // A client that goes away.
  const cut = await fetch(`http://${host}/v2/app/blobs/${layer.digest}`);
  await cut.body!.cancel();
  await closed(from.store);
});
