import { assert, assertEquals, assertRejects } from "@std/assert";
import { startFaulty } from "./_test_faults.ts";
import { testImage } from "./_test_image.ts";
import {
  type BlobStore,
  openRepository,
  pull,
  push,
  type Repository,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

Deno.test("pull() that waits for another one to write the manifest ends by its signal", async () => {
  await using faulty = startFaulty();
  const { host, client } = faulty;
  const image = testImage();
  const { digest } = image.descriptor;
  await push(image, `${host}/app:1`);
  const memory = createMemoryStore();
  const other = await memory.writer(`pull-${digest.replace(":", "-")}`);
  const names = { get: () => Promise.resolve(undefined) };
  for (const name of [`${host}/app@${digest}`, `${host}/app:1`]) {
    const controller = new AbortController();
    const store: BlobStore = {
      ...memory,
      images: names,
      writer(ref, options) {
        const writer = memory.writer(ref, options);
        controller.abort(new Error("no more"));
        return writer;
      },
    };
    await assertRejects(
      () => pull(name, store, { client, signal: controller.signal }),
      Error,
      "no more",
    );
  }
  await other.abort();
});

Deno.test("pull() hands its signal to whoever admits", async () => {
  await using faulty = startFaulty();
  const { host, client } = faulty;
  await push(testImage(), `${host}/app:1`);
  const controller = new AbortController();
  const pulling = pull(`${host}/app:1`, createMemoryStore(), {
    client,
    signal: controller.signal,
    admit({ signal }) {
      assert(signal !== undefined);
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason));
      controller.abort(new Error("no more"));
      return promise;
    },
  });
  await assertRejects(() => pulling, Error, "no more");
});

Deno.test("a lazy layer whose reader calls it off ends for that one only, live or waited for", async () => {
  const image = testImage({ layers: [1000, 500_000] });
  const [below, layer] = image.layers;
  let isHeld = false;
  const release = Promise.withResolvers<void>();
  await using faulty = startFaulty(async (request, answer) => {
    if (!isHeld || !request.url.endsWith(layer!.digest)) return undefined;
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
  const { host, client } = faulty;
  await push(image, `${host}/app:1`);
  isHeld = true;
  const store = createMemoryStore();
  await using pulled = await pull(`${host}/app:1`, store, {
    client,
    lazy: true,
  });
  const controller = new AbortController();
  const { signal } = controller;
  const reader = (await pulled.layers[1]!.open({ signal })).getReader();
  assert((await reader.read()).value!.length > 0);
  const waiting = pulled.layers[1]!.open({ signal });
  const more = (async () => {
    while (!(await reader.read()).done);
  })();
  controller.abort(new Error("no more"));
  await assertRejects(() => more, Error, "no more");
  await assertRejects(() => waiting, Error, "no more");
  await assertRejects(
    () => pulled.layers[0]!.open({ signal }),
    Error,
    "no more",
  );
  release.resolve();
  await pulled.done();
  assertEquals(await store.stat(layer!.digest), { size: 500_000 });
  assertEquals(await store.stat(below!.digest), { size: 1000 });
});

Deno.test("what openRepository() gives ends by its own signal and by that of a call", async () => {
  let isHeld = false;
  let onRequest = () => {};
  const release = Promise.withResolvers<void>();
  await using faulty = startFaulty(async () => {
    if (!isHeld) return undefined;
    onRequest();
    await release.promise;
  });
  const { host, client } = faulty;
  const image = testImage();
  const { descriptor } = image;
  await push(image, `${host}/app:1`);
  isHeld = true;
  for (const which of [0, 1] as const) {
    for (
      const ask of [
        (repository: Repository, signal: AbortSignal) =>
          repository.resolve("1", { signal }),
        (repository: Repository, signal: AbortSignal) =>
          repository.read(descriptor, { signal }),
        async (repository: Repository, signal: AbortSignal) =>
          await Array.fromAsync(
            await repository.open(image.layers[0]!, { signal }),
          ),
        (repository: Repository, signal: AbortSignal) =>
          Array.fromAsync(repository.referrers(descriptor, { signal })),
      ]
    ) {
      const controllers = [
        new AbortController(),
        new AbortController(),
      ] as const;
      const [own, call] = controllers;
      onRequest = () => controllers[which].abort(new Error("no more"));
      const repository = openRepository(`${host}/app`, {
        client,
        signal: own.signal,
      });
      await assertRejects(
        () => ask(repository, call.signal),
        Error,
        "no more",
      );
    }
  }
  release.resolve();
});
