import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  describe,
  type Descriptor,
  digestBytes,
  MediaType,
} from "@containerkit/oci";
import { downloadAhead } from "./_download_ahead.ts";
import { Semaphore } from "./_semaphore.ts";
import { cutBody, isBlob, startFaulty } from "./_test_faults.ts";
import { testBytes, testImage } from "./_test_image.ts";
import { toTarget } from "./_target.ts";
import {
  copy,
  createImage,
  type Image,
  type Layer,
  listTags,
  openImage,
  openRepository,
  openStoreRepository,
  pull,
  push,
  RegistryClient,
  RegistryError,
  type TransferEvent,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

async function digestOf(layer: Pick<Layer, "open">): Promise<string> {
  const stream = await layer.open() as ReadableStream<Uint8Array<ArrayBuffer>>;
  return digestBytes(new Uint8Array(await new Response(stream).arrayBuffer()));
}

/** Pushes an index of images, and gives its descriptor. */
async function pushIndex(
  host: string,
  images: readonly Image[],
  entry: (image: Image) => Partial<Descriptor> = ({ config }) => ({
    platform: { os: config.os, architecture: config.architecture },
  }),
): Promise<Descriptor> {
  for (const image of images) {
    await push(image, `${host}/many@${image.descriptor.digest}`);
  }
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Index,
    manifests: images.map((image) => ({
      ...image.descriptor,
      ...entry(image),
    })),
  }));
  const descriptor = describe(MediaType.Index, bytes);
  await copy({
    repository: {
      ...openRepository(`${host}/many`),
      read: (wanted, options) =>
        wanted.digest === descriptor.digest
          ? Promise.resolve(bytes)
          : openRepository(`${host}/many`).read(wanted, options),
    },
    descriptor,
  }, `${host}/many:1`);
  return descriptor;
}

const amd64 = testImage({
  seed: 1,
  platform: { os: "linux", architecture: "amd64" },
});
const riscv64 = testImage({
  seed: 2,
  platform: { os: "linux", architecture: "riscv64" },
});

Deno.test("pull() chooses the platform, and openImage() does so without a registry", async () => {
  await using faulty = startFaulty();
  const root = await pushIndex(faulty.host, [amd64, riscv64]);
  const store = createMemoryStore();
  const reference = `${faulty.host}/many:1`;
  const image = await pull(reference, store, { platform: "linux/riscv64" });
  assertEquals(image.descriptor.digest, riscv64.descriptor.digest);
  assertEquals(image.root, root);
  const opened = await openImage(store, root, { platform: "linux/riscv64" });
  assertEquals(opened.descriptor.digest, riscv64.descriptor.digest);
  assertEquals(await digestOf(opened.layers[0]!), opened.layers[0]!.digest);
  await assertRejects(
    () => pull(reference, store, { platform: "linux/s390x" }),
    Deno.errors.NotFound,
    "it has no image for linux/s390x; there is: linux/amd64, linux/riscv64",
  );
});

Deno.test("pull() looks into configs where an index states no platform", async () => {
  await using faulty = startFaulty();
  await pushIndex(faulty.host, [amd64, riscv64], () => ({}));
  const image = await pull(`${faulty.host}/many:1`, createMemoryStore(), {
    platform: "linux/riscv64",
  });
  assertEquals(image.descriptor.digest, riscv64.descriptor.digest);
});

Deno.test("pull() refuses an image for another platform, unless that is asked for", async () => {
  await using faulty = startFaulty();
  const reference = `${faulty.host}/app:1`;
  await push(riscv64, reference);
  await assertRejects(
    () => pull(reference, createMemoryStore()),
    Deno.errors.NotFound,
    "it is for linux/riscv64",
  );
  await pull(reference, createMemoryStore(), { platform: "linux/riscv64" });
});

Deno.test("pull() costs one request when the image is there, and none by digest", async () => {
  await using faulty = startFaulty();
  const image = testImage();
  const reference = `${faulty.host}/app`;
  await push(image, `${reference}:1`);
  const store = createMemoryStore();
  await pull(`${reference}:1`, store);
  faulty.requests.length = 0;
  await pull(`${reference}:1`, store);
  assertEquals(faulty.requests, ["HEAD /v2/app/manifests/1"]);
  await pull(`${reference}@${image.descriptor.digest}`, store);
  assertEquals(faulty.requests.length, 1);
});

Deno.test("pull() asks admit before anything but the manifest is fetched, and fetches nothing when it rejects", async () => {
  await using faulty = startFaulty();
  await push(testImage(), `${faulty.host}/app:1`);
  faulty.requests.length = 0;
  const store = createMemoryStore();
  await assertRejects(
    () =>
      pull(`${faulty.host}/app:1`, store, {
        async admit({ reference, descriptor, registry }) {
          assertEquals(reference, `${faulty.host}/app:1`);
          assertEquals(
            (await registry.read(descriptor)).length,
            descriptor.size,
          );
          throw new Error("not signed");
        },
      }),
    Error,
    "not signed",
  );
  assert(faulty.requests.every((text) => !text.includes("/blobs/")));
});

Deno.test("a lazy layer is read while it arrives, starts those above, and none below", async () => {
  const image = testImage({ layers: [1000, 3_000_000, 2000] });
  const release = Promise.withResolvers<void>();
  let isReady = false;
  await using faulty = startFaulty(async (request, answer) => {
    if (!isReady || !request.url.endsWith(image.layers[1]!.digest)) {
      return undefined;
    }
    const response = await answer();
    const [first, ...rest] = await Array.fromAsync(response.body!);
    return new Response(
      ReadableStream.from((async function* () {
        yield first!;
        await release.promise;
        yield* rest;
      })()),
      response,
    );
  }, { client: { stallTimeout: 60_000 } });
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  const store = createMemoryStore();
  await using pulled = await pull(`${faulty.host}/app:1`, store, {
    lazy: true,
    client: faulty.client,
  });
  const [below, middle, above] = pulled.layers;
  const reader = (await middle!.open()).getReader();
  // The first bytes are here while the last ones are not even sent.
  const { value } = await reader.read();
  assert(value!.length > 0);
  assertEquals(await store.stat(middle!.digest), undefined);
  release.resolve();
  let size = value!.length;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
  }
  assertEquals(size, 3_000_000);
  assertEquals(await store.stat(middle!.digest), { size });
  assertEquals(await digestOf(above!), above!.digest);
  assertEquals(await store.stat(below!.digest), undefined);
  await pulled.done();
  assertEquals(await store.stat(below!.digest), { size: 1000 });
  // A second reader gets it from the store.
  assertEquals(await digestOf(middle!), middle!.digest);
});

Deno.test("a lazy layer that nobody reads on holds nothing up", async () => {
  await using faulty = startFaulty();
  const image = testImage({ layers: [20_000_000] });
  await push(image, `${faulty.host}/app:1`);
  await using pulled = await pull(
    `${faulty.host}/app:1`,
    createMemoryStore(),
    { lazy: true },
  );
  const [layer] = pulled.layers;
  const stream = await layer!.open() as ReadableStream<Uint8Array<ArrayBuffer>>;
  await pulled.done();
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  assertEquals(digestBytes(bytes), layer!.digest);
});

Deno.test("a lazy layer that could not be fetched is fetched when it is opened again", async () => {
  const image = testImage({ layers: [500_000, 1000] });
  let isDown = false;
  await using faulty = startFaulty(
    (request) =>
      isDown && isBlob(request)
        ? new Response(null, { status: 503 })
        : undefined,
  );
  const { client, host } = faulty;
  await push(image, `${host}/app:1`, { client });
  await using pulled = await pull(`${host}/app:1`, createMemoryStore(), {
    client,
    lazy: true,
  });
  isDown = true;
  for (const layer of pulled.layers) {
    await assertRejects(() => digestOf(layer), RegistryError, "503");
  }
  isDown = false;
  for (const layer of pulled.layers) {
    assertEquals(await digestOf(layer), layer.digest);
  }
  await pulled.done();
});

Deno.test("a lazy image that is disposed ends its downloads", async () => {
  const image = testImage({ layers: [500_000] });
  let isReady = false;
  await using faulty = startFaulty(
    async (request, answer) =>
      isReady && isBlob(request) &&
        request.url.endsWith(image.layers[0]!.digest)
        ? cutBody(await answer(), 1000, { stall: true })
        : undefined,
    { client: { stallTimeout: 60_000 } },
  );
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  const store = createMemoryStore();
  let stream: ReadableStream<Uint8Array>;
  {
    await using pulled = await pull(`${faulty.host}/app:1`, store, {
      lazy: true,
      client: faulty.client,
    });
    stream = await pulled.layers[0]!.open();
  }
  await assertRejects(() => Array.fromAsync(stream), DOMException);
  assertEquals(await store.stat(image.layers[0]!.digest), undefined);
});

Deno.test("pull() and push() tell each blob's start and end once", async () => {
  await using faulty = startFaulty();
  const image = testImage({ layers: [2_500_000, 10] });
  const events: string[] = [];
  const note = ({ type, descriptor, offset }: TransferEvent) => {
    if (type === "progress") return;
    events.push(`${type} ${descriptor.size} ${offset}`);
  };
  await push(image, `${faulty.host}/app:1`, { onProgress: note });
  const config = image.manifest.config.size;
  const sizes = [config, 10, 2_500_000];
  assertEquals(
    events.toSorted(),
    sizes.flatMap((size) => [`start ${size} 0`, `done ${size} ${size}`])
      .toSorted(),
  );
  events.length = 0;
  await pull(`${faulty.host}/app:1`, createMemoryStore(), { onProgress: note });
  assertEquals(
    events.toSorted(),
    [
      `resolved ${image.descriptor.size} 0`,
      ...[10, 2_500_000].flatMap((
        size,
      ) => [`start ${size} 0`, `done ${size} ${size}`]),
    ].toSorted(),
  );
  events.length = 0;
  await push(image, `${faulty.host}/app:2`, { onProgress: note });
  assert(events.every((text) => text.startsWith("exists")));
});

Deno.test("pull() and push() with a concurrency of 0 send one blob at a time", async () => {
  await using faulty = startFaulty();
  const image = testImage();
  const options = { concurrency: 0 };
  await push(image, `${faulty.host}/app:1`, options);
  await pull(`${faulty.host}/app:1`, createMemoryStore(), options);
});

Deno.test("downloadAhead() fetches parts at once, and gives them in order", async () => {
  const bytes = testBytes(1_000_000);
  const descriptor = describe(MediaType.Layer, bytes);
  for (const kind of ["ranges", "no ranges", "breaks"] as const) {
    let count = 0;
    await using faulty = startFaulty(async (request, answer) => {
      if (!isBlob(request)) return undefined;
      if (kind === "no ranges") return answer(new Request(request.url));
      // Every third part breaks once.
      return kind === "breaks" && count++ % 3 === 0
        ? cutBody(await answer(), 20_000)
        : undefined;
    });
    const image = testImage({ layers: [1_000_000] });
    await push(image, `${faulty.host}/app:1`);
    assertEquals(image.layers[0]!.size, descriptor.size);
    faulty.requests.length = 0;
    const places = new Semaphore(3);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for await (
      const chunk of downloadAhead(
        toTarget(`${faulty.host}/app:1`, { client: faulty.client }),
        image.layers[0]!,
        { places, piece: 100_000 },
      )
    ) chunks.push(chunk.slice());
    const all = new Uint8Array(await new Blob(chunks).arrayBuffer());
    assertEquals(digestBytes(all), image.layers[0]!.digest);
    assertEquals(places.free, 3);
    if (kind === "ranges") assertEquals(faulty.requests.length, 10);
    if (kind === "no ranges") assertEquals(faulty.requests.length, 1);
  }
});

Deno.test("downloadAhead() that is left lets go of all it took", async () => {
  await using faulty = startFaulty();
  const image = testImage({ layers: [1_000_000] });
  await push(image, `${faulty.host}/app:1`);
  const places = new Semaphore(3);
  for await (
    const chunk of downloadAhead(
      toTarget(`${faulty.host}/app:1`, { client: faulty.client }),
      image.layers[0]!,
      { places, piece: 100_000 },
    )
  ) {
    assert(chunk.length > 0);
    break;
  }
  assertEquals(places.free, 3);
});

Deno.test("copy() takes some platforms of an index and keeps its digest", async () => {
  await using faulty = startFaulty();
  const root = await pushIndex(faulty.host, [amd64, riscv64]);
  const to = `${faulty.host}/sparse:1`;
  const copied = await copy(`${faulty.host}/many:1`, to, {
    platforms: ["linux/riscv64"],
  });
  assertEquals(copied.digest, root.digest);
  assert(faulty.requests.some((text) => text.includes("?mount=")));
  await pull(to, createMemoryStore(), { platform: "linux/riscv64" });
  await assertRejects(
    () => pull(to, createMemoryStore(), { platform: "linux/amd64" }),
    Error,
    "MANIFEST_UNKNOWN",
  );
  const store = createMemoryStore();
  await pull(to, store, { platform: "linux/riscv64" });
  await copy(
    { repository: openStoreRepository(store), descriptor: root },
    `${faulty.host}/again:1`,
    { platforms: ["linux/riscv64"] },
  );
  await assertRejects(
    () => copy(`${faulty.host}/many:1`, to, { platforms: ["linux/s390x"] }),
    Deno.errors.NotFound,
    `Cannot choose from "${root.digest}": it has no image for linux/s390x`,
  );
});

Deno.test("pull() passes over what an index lists besides images, and copy() takes it along", async () => {
  await using faulty = startFaulty();
  const { host } = faulty;
  const platform = { os: "linux", architecture: "amd64" };
  const bytes = testBytes(100);
  const other = describe("application/vnd.example", bytes, { platform });
  const index = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Index,
    manifests: [other, { ...amd64.descriptor, platform }],
  }));
  await push(amd64, `${host}/many:0`);
  for (
    const [method, path, body] of [
      ["POST", `blobs/uploads/?digest=${other.digest}`, bytes],
      ["PUT", "manifests/1", index],
    ] as const
  ) {
    const { ok, body: answer } = await fetch(`http://${host}/v2/many/${path}`, {
      method,
      body,
      headers: { "content-type": MediaType.Index },
    });
    assert(ok);
    await answer?.cancel();
  }
  const options = { platform: "linux/amd64" };
  const pulled = await pull(`${host}/many:1`, createMemoryStore(), options);
  assertEquals(pulled.descriptor.digest, amd64.descriptor.digest);
  await copy(`${host}/many:1`, `${host}/copy:1`);
  const copied = await openRepository(`${host}/copy`).read(other);
  assertEquals(copied, bytes);
  await copy(`${host}/many:1`, `${host}/some:1`, {
    platforms: ["linux/amd64"],
  });
  await pull(`${host}/some:1`, createMemoryStore(), options);
});

Deno.test("copy() refuses an image without an index for another platform than was asked for", async () => {
  await using faulty = startFaulty();
  const from = `${faulty.host}/one:1`;
  const to = `${faulty.host}/two:1`;
  await push(amd64, from);
  const error = await assertRejects(
    () => copy(from, to, { platforms: ["linux/amd64", "linux/riscv64"] }),
    Deno.errors.NotFound,
    "it is for linux/amd64, not linux/riscv64",
  );
  assert(error.message.includes(amd64.descriptor.digest));
  assert(!faulty.requests.some((text) => text.includes("/two/")));
  await copy(from, to, { platforms: ["linux/amd64"] });
});

Deno.test("pull() and push() need the network and nothing else", {
  permissions: { net: ["127.0.0.1"] },
}, async () => {
  await using faulty = startFaulty();
  await push(testImage(), `${faulty.host}/app:1`);
  using client = new RegistryClient();
  await pull(`${faulty.host}/app:1`, createMemoryStore(), { client });
});

Deno.test("createImage() refuses parts that do not fit", async () => {
  const { raw, layers } = testImage();
  const open = () => layers[0]!.open();
  const other = testImage({ seed: 5, layers: [1, 2] });
  await assertRejects(async () =>
    await createImage(
      { manifest: raw.manifest, config: other.raw.config },
      open,
    )
  );
  // Some parsers take "OS" for "os".
  for (const text of ['{"os":1}', '{"OS":"linux"}', "null", "[]", ""]) {
    const config = new TextEncoder().encode(text);
    const described = describe(MediaType.Config, config);
    const manifest = new TextEncoder().encode(JSON.stringify({
      schemaVersion: 2,
      config: described,
      layers: [],
    }));
    assertThrows(
      () => createImage({ manifest, config }, open),
      SyntaxError,
      `Cannot parse image config "${described.digest}": `,
    );
  }
});

Deno.test("pull() takes an artifact whose config says nothing, though by the type of an image's", async () => {
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value));
  const { layers } = testImage();
  for (const mediaType of [MediaType.Config, MediaType.DockerConfig]) {
    for (const content of [{}, { rules: [], version: 1 }]) {
      const config = encode(content);
      const bundle = createImage({
        config,
        manifest: encode({
          schemaVersion: 2,
          mediaType: MediaType.Manifest,
          config: describe(mediaType, config),
          layers: layers.map(({ mediaType, digest, size }) => ({
            mediaType,
            digest,
            size,
          })),
        }),
      }, () => layers[0]!.open());
      await push(bundle, `${host}/bundle:1`, { client });
      const store = createMemoryStore();
      await using pulled = await pull(`${host}/bundle:1`, store, {
        client,
        platform: "linux/s390x",
      });
      assertEquals(pulled.config, {
        os: "unknown",
        architecture: "unknown",
        rootfs: { type: "layers", diff_ids: [] },
      });
      assertEquals(pulled.raw.config, config);
      // Nobody unpacks it by mistake: no tar has the digest of a gzip.
      assertEquals(pulled.layers[0]!.diffId, layers[0]!.digest);
      assertEquals(await digestOf(pulled.layers[0]!), layers[0]!.digest);
      const { config: again } = await openImage(store, pulled.root);
      assertEquals(again, pulled.config);
    }
  }
});

Deno.test("push() gives the tag that the reference means", async () => {
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const image = testImage();
  const { digest } = image.descriptor;
  await push(image, `${host}/app@${digest}`, { client });
  assertEquals(await Array.fromAsync(listTags(`${host}/app`, { client })), []);
  await push(image, `${host}/app`, { client });
  await push(image, `${host}/app:2@${digest}`, { client });
  assertEquals(
    await Array.fromAsync(listTags(`${host}/app`, { client })),
    ["2", "latest"],
  );
  await assertRejects(
    () => push(testImage({ seed: 2 }), `${host}/app@${digest}`, { client }),
    TypeError,
    `the image is`,
  );
});

Deno.test("pull() of a name that the store does not have asks for the manifest at once", async () => {
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const image = testImage();
  await push(image, `${host}/app:1`, { client });
  const names = new Set<string>();
  const store = Object.assign(createMemoryStore(), {
    images: {
      get: (name: string) => Promise.resolve(names.has(name) || undefined),
    },
  });
  const manifests = async () => {
    faulty.requests.length = 0;
    const pulled = await pull(`${host}/app:1`, store, { client });
    assertEquals(pulled.root, image.descriptor);
    return faulty.requests.filter((text) => text.includes("/manifests/"))
      .map((text) => text.split(" ")[0]);
  };
  assertEquals(await manifests(), ["GET"]);
  names.add(`${host}/app:1`);
  assertEquals(await manifests(), ["HEAD"]);
  assertEquals(faulty.requests.length, 1);
});
