import { assertEquals, assertRejects } from "@std/assert";
import { GrowingBlob } from "./_growing_blob.ts";
import { createMemoryStore } from "./registry/create_memory_store.ts";

const bytes = new Uint8Array(1000).map((_, index) => index);

async function startBlob(readable = true) {
  const writer = await createMemoryStore().writer("growing");
  const blob = new GrowingBlob(bytes.length);
  const grow = async (to: number) => {
    await writer.write(bytes.subarray(writer.offset, to));
    blob.advance(writer.offset);
  };
  const closed = () => Promise.reject(new Deno.errors.BadResource("closed"));
  blob.begin(
    readable ? writer : { ...writer, offset: bytes.length, reader: closed },
  );
  return { blob, grow, writer };
}

Deno.test("GrowingBlob gives what is there, and its last byte when it is proven", async () => {
  const { blob, grow } = await startBlob();
  const opening = blob.open(100, 1000, { first: 50 });
  await grow(200);
  const reader = (await opening)!.getReader();
  assertEquals((await reader.read()).value, bytes.subarray(100, 200));
  await grow(1000);
  assertEquals((await reader.read()).value, bytes.subarray(200, 999));
  const last = reader.read();
  blob.finish();
  assertEquals((await last).value, bytes.subarray(999));
  assertEquals((await reader.read()).done, true);
});

Deno.test("GrowingBlob that is being committed is waited for", async () => {
  const { blob } = await startBlob(false);
  const opening = blob.open(0, 1000);
  blob.finish();
  assertEquals(await opening, undefined);
});

Deno.test("GrowingBlob fails who read what was wrong, and serves who did not", async () => {
  const { blob, grow, writer } = await startBlob();
  await grow(300);
  const stream = (await blob.open(0, 1000))!;
  const late = blob.open(500, 1000);
  blob.drop(new Error("wrong"));
  await assertRejects(() => stream.getReader().read(), Error, "wrong");
  await writer.truncate!(0);
  blob.begin(writer);
  await grow(1000);
  const reader = (await late)!.getReader();
  assertEquals((await reader.read()).value, bytes.subarray(500, 999));
  await reader.cancel();
});

Deno.test("GrowingBlob ends the reading by its signal, and goes on", async () => {
  const { blob, grow } = await startBlob();
  await grow(300);
  const controller = new AbortController();
  const { signal } = controller;
  const stream = (await blob.open(0, 1000, { signal }))!;
  const waiting = blob.open(500, 1000, { signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => stream.getReader().read(), Error, "enough");
  await assertRejects(() => waiting, Error, "enough");
  await grow(1000);
  await (await blob.open(500, 1000))!.cancel();
});
