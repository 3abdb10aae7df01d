import { assert, assertRejects } from "@std/assert";
import { startFaulty } from "./_test_faults.ts";
import { testImage } from "./_test_image.ts";
import { type BlobStore, pull, push } from "./mod.ts";
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
