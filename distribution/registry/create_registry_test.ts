import { assertEquals } from "@std/assert";
import { openImage, pull, push, resolve } from "../mod.ts";
import { createMemoryStore, createRegistry } from "./mod.ts";
import { testImage } from "../_test_image.ts";

Deno.test("createRegistry() takes what push() sends, and pull() gets the same", async () => {
  await using registry = createRegistry({ store: createMemoryStore() });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const reference = `127.0.0.1:${server.addr.port}/test/app:1`;
  const image = testImage({ layers: [3_000_000, 0, 17] });
  const sent = await push(image, reference, { chunkSize: 1_000_000 });
  assertEquals(await resolve(reference), sent);
  const store = createMemoryStore();
  const pulled = await pull(reference, store);
  assertEquals(pulled.descriptor, sent);
  const again = await openImage(store, pulled.root);
  for (const [index, layer] of again.layers.entries()) {
    const [a, b] = await Promise.all(
      [layer, image.layers[index]!].map(async (it) =>
        new Uint8Array(await new Response(await it.open()).arrayBuffer())
      ),
    );
    assertEquals(a, b);
  }
});
