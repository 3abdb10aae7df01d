/**
 * What a hostile manifest may claim, and what is refused of it before anything is fetched.
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  describe,
  type Descriptor,
  EMPTY_DESCRIPTOR,
  MediaType,
} from "@containerkit/oci";
import { startFaulty } from "./_test_faults.ts";
import { testImage } from "./_test_image.ts";
import { pull, push } from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

const encode = (value: unknown) =>
  new TextEncoder().encode(JSON.stringify(value));

/** Serves a manifest or an index that claims whatever it likes, and counts the blobs that are asked for. */
function serve(document: Record<string, unknown> & { mediaType: string }) {
  const bytes = encode({ schemaVersion: 2, ...document });
  let blobs = 0;
  const faulty = startFaulty((request) => {
    if (request.url.includes("/blobs/")) blobs++;
    return request.url.includes("/manifests/")
      ? new Response(request.method === "HEAD" ? null : bytes, {
        headers: {
          "content-type": document.mediaType,
          "docker-content-digest": describe(document.mediaType, bytes).digest,
          "content-length": String(bytes.length),
        },
      })
      : undefined;
  });
  return {
    name: `${faulty.host}/app:1`,
    client: faulty.client,
    get blobs() {
      return blobs;
    },
    [Symbol.asyncDispose]: () => faulty[Symbol.asyncDispose](),
  };
}

function claim(size: number, seed = 0): Descriptor {
  return { ...describe(MediaType.LayerGzip, `layer ${seed}`), size };
}

const config = EMPTY_DESCRIPTOR;

Deno.test("pull() refuses layers that the store has no room for, and fetches none", async () => {
  for (
    const layers of [
      [claim(1e15)],
      [claim(600, 1), claim(600, 2)],
      Array.from({ length: 3 }, (_, seed) => claim(2 ** 53 - 1, seed)),
    ]
  ) {
    await using server = serve({
      mediaType: MediaType.Manifest,
      config,
      layers,
    });
    const { client } = server;
    const store = { ...createMemoryStore(), room: () => Promise.resolve(1000) };
    await assertRejects(
      () => pull(server.name, store, { client }),
      RangeError,
      "the store has room for 1000",
    );
    const image = await pull(server.name, store, { client, lazy: true });
    for (const use of [image.layers[0]!.open, image.done]) {
      await assertRejects(() => use(), RangeError, "has room for 1000");
    }
    const lazy = createMemoryStore();
    await assertRejects(
      () => pull(server.name, lazy, { client, lazy: true, maxSize: 1000 }),
      RangeError,
      "more than 1000",
    );
    await assertRejects(
      () => pull(server.name, lazy, { client, maxSize: NaN }),
      RangeError,
      "more than NaN",
    );
    assertEquals(server.blobs, 0);
  }
});

Deno.test("pull() counts what it has to fetch only, each layer once", async () => {
  const image = testImage({ layers: [600, 300] });
  await using faulty = startFaulty();
  const name = `${faulty.host}/app:1`;
  await push(image, name, { client: faulty.client });
  const memory = createMemoryStore();
  const { client } = faulty;
  await pull(name, memory, { client, maxSize: 900 });
  await memory.delete(image.layers[1]!.digest);
  const store = { ...memory, room: () => Promise.resolve(300) };
  await pull(name, store, { client });
  assertEquals(await memory.stat(image.layers[1]!.digest), { size: 300 });
});

Deno.test("pull() refuses an index and a manifest with more entries than anyone would look at", async () => {
  const entries = Array(20_001).fill({
    mediaType: MediaType.Manifest,
    digest: describe("", "x").digest,
    size: 1,
  });
  for (
    const document of [
      { mediaType: MediaType.Index, manifests: entries },
      { mediaType: MediaType.Manifest, config, layers: entries },
    ]
  ) {
    await using server = serve(document);
    await assertRejects(
      () => pull(server.name, createMemoryStore(), { client: server.client }),
      RangeError,
      "lists more than 20000 descriptors",
    );
    assertEquals(server.blobs, 0);
  }
});
