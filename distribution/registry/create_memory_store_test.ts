import { digestBytes } from "@containerkit/oci";
import { assertEquals, assertRejects } from "@std/assert";
import { pull, push } from "../mod.ts";
import { testImage } from "../_test_image.ts";
import { createMemoryStore, createRegistry } from "./mod.ts";

Deno.test("createMemoryStore() takes one image that is pulled twice at the same time", async () => {
  await using registry = createRegistry({ store: createMemoryStore() });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const reference = `127.0.0.1:${server.addr.port}/app:1`;
  const image = testImage({ layers: [3_000_000, 17] });
  await push(image, reference);
  const store = createMemoryStore();
  const pulled = await Promise.all([
    pull(reference, store),
    pull(reference, store),
    pull(reference, store),
  ]);
  for (const { descriptor } of pulled) {
    assertEquals(descriptor, image.descriptor);
  }
});

Deno.test("createMemoryStore() has one writer of a ref at a time, which is waited for or not", async () => {
  const store = createMemoryStore();
  const bytes = new TextEncoder().encode("hello");
  const descriptor = { digest: digestBytes(bytes), size: bytes.length };
  const first = await store.writer("ref", { descriptor });
  await assertRejects(() => store.writer("ref"), Deno.errors.Busy, '"ref"');
  const controller = new AbortController();
  const waiting = store.writer("ref", {
    wait: true,
    signal: controller.signal,
  });
  controller.abort(new Error("no more"));
  await assertRejects(() => waiting, Error, "no more");
  const second = store.writer("ref", { descriptor, wait: true });
  const third = store.writer("ref", { descriptor, wait: true });
  await first.write(bytes.subarray(0, 2));
  await first.abort();
  const writer = await second;
  assertEquals(writer.offset, 2);
  await writer.write(bytes.subarray(2));
  await writer.commit(descriptor.size, descriptor.digest);
  await assertRejects(() => third, Deno.errors.AlreadyExists);
});
