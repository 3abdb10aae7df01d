import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  digestBytes,
  DigestMismatchError,
  parseDigest,
} from "@containerkit/oci";
import { DatabaseSync } from "node:sqlite";
import { tempDir } from "../tests/mod.ts";
import { openStore, type Store } from "./mod.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

async function readAll(store: Store, digest: string): Promise<Uint8Array> {
  return await new Response(await store.open(digest)).bytes();
}

Deno.test("commit() takes sha256, sha384 and sha512, and hashes again for another one", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  for (const algorithm of ["sha256", "sha384", "sha512"] as const) {
    const bytes = encode(algorithm);
    const digest = digestBytes(bytes, algorithm);
    await store.put(bytes, { descriptor: { digest } });
    assertEquals(await readAll(store, digest), bytes);
    // The writer hashed by sha256, as it was not told.
    const other = encode(`${algorithm} again`);
    const writer = await store.writer("untold");
    await writer.write(other);
    await writer.commit(other.length, digestBytes(other, algorithm));
    assertEquals(
      await store.stat(digestBytes(other, algorithm)),
      { size: other.length },
    );
  }
});

Deno.test("reader() of a writer reads what is written, more as it comes, and all once it is committed", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = randomBytes(3_000_000);
  const writer = await store.writer("growing");
  using reader = await writer.reader();
  const buffer = new Uint8Array(bytes.length);
  assertEquals(await reader.readAt(buffer, 0), 0);
  await writer.write(bytes.subarray(0, 2_000_000));
  assertEquals(await reader.readAt(buffer, 500_000), 1_500_000);
  assertEquals(
    buffer.subarray(0, 1_500_000),
    bytes.subarray(500_000, 2_000_000),
  );
  // Small ones are gathered: they may be there or not.
  await writer.write(bytes.subarray(2_000_000, 2_000_100));
  await writer.write(bytes.subarray(2_000_100));
  await writer.commit();
  assertEquals(await reader.readAt(buffer, 0), bytes.length);
  assertEquals(buffer, bytes);
  await assertRejects(() => writer.reader(), Deno.errors.BadResource);
});

Deno.test("commit() takes an empty blob", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digest = digestBytes("");
  await (await store.writer("empty", { descriptor: { digest, size: 0 } }))
    .commit(0, digest);
  assertEquals(await store.stat(digest), { size: 0 });
  assertEquals(await readAll(store, digest), new Uint8Array());
});

Deno.test("write() goes on at once while what is there is still being hashed", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = randomBytes(24 << 20);
  const digest = digestBytes(bytes);
  const descriptor = { digest, size: bytes.length };
  for (
    const [cut, step] of [[20 << 20, 3 << 20], [1 << 20, 5000], [
      0,
      7 << 20,
    ]] as const
  ) {
    {
      await using writer = await store.writer("big", { descriptor });
      await writer.write(bytes.subarray(0, cut));
    }
    await using writer = await store.writer("big", { descriptor });
    assertEquals(writer.offset, cut);
    for (let at = cut; at < bytes.length; at += step) {
      await writer.write(bytes.subarray(at, at + step));
    }
    await writer.commit(bytes.length, digest);
    assert(await store.delete(digest));
  }
});

Deno.test("write() refuses more than the descriptor says", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await using writer = await store.writer("a", { descriptor: { size: 3 } });
  await writer.write(encode("abc"));
  await assertRejects(() => writer.write(encode("d")), DigestMismatchError);
  assertEquals(writer.offset, 3);
});

Deno.test("writer() starts anew on content that was found to be something else", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const descriptor = { digest: digestBytes("right"), size: 5 };
  const wrong = await store.writer("a", { descriptor });
  await wrong.write(encode("wrong"));
  await assertRejects(
    () => wrong.commit(5, descriptor.digest),
    DigestMismatchError,
  );
  const right = await store.writer("a", { descriptor });
  assertEquals(right.offset, 0);
  await right.write(encode("right"));
  await right.commit(5, descriptor.digest);
});

Deno.test("writer() cuts back what may be torn when the machine was restarted", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  {
    await using writer = await store.writer("a");
    await writer.write(encode("durable"));
  }
  {
    const database = new DatabaseSync(`${store.path}/state.db`);
    database.exec("UPDATE ingests SET boot = 'another one'");
    const { file } = database.prepare("SELECT file FROM ingests").get()!;
    Deno.writeTextFileSync(`${store.path}/ingest/${file}`, "\0\0\0", {
      append: true,
    });
    database.close();
  }
  await using writer = await store.writer("a");
  assertEquals(writer.offset, "durable".length);
  assertEquals(await writer.digest(), digestBytes("durable"));
});

Deno.test("writer() of another hash function names its blobs by it", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digest = digestBytes("x", "sha512");
  await store.put(encode("x"), { descriptor: { digest } });
  const { algorithm, hex } = parseDigest(digest);
  assert(Deno.statSync(`${store.path}/blobs/${algorithm}/${hex}`).isFile);
});

Deno.test("writer() refuses refs and digests that make no sense", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  for (const ref of ["", "a\0b", "x".repeat(5000)]) {
    await assertRejects(() => store.writer(ref), TypeError, "a ref has 1 to");
  }
  for (const digest of ["sha256:../../x", "md5:00", "sha256:", ""]) {
    await assertRejects(
      () => store.writer("a", { descriptor: { digest } }),
      SyntaxError,
    );
    await assertRejects(() => store.stat(digest), SyntaxError);
  }
  await using writer = await store.writer("a");
  await assertRejects(() => writer.commit(0, "sha256:x"), SyntaxError);
  await assertRejects(
    () => writer.commit(0, undefined, { labels: { a: "x".repeat(5000) } }),
    RangeError,
  );
  assertEquals((await store.ingests.list()).length, 1);
});

Deno.test("a writer ends with the signal's reason and can be resumed", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const controller = new AbortController();
  const writer = await store.writer("a", { signal: controller.signal });
  await writer.write(encode("abc"));
  controller.abort(new RangeError("enough"));
  await assertRejects(() => writer.write(encode("d")), RangeError, "enough");
  await assertRejects(() => writer.commit(), RangeError, "enough");
  await assertRejects(
    () => writer.write(encode("d")),
    Deno.errors.BadResource,
  );
  await using again = await store.writer("a");
  assertEquals(again.offset, 3);
});

Deno.test("a writer refuses a second call while one is under way", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await using writer = await store.writer("a");
  const first = writer.write(randomBytes(3 << 20));
  await assertRejects(() => writer.commit(), TypeError, "another call");
  await first.catch(() => {});
});

Deno.test("put() lets go of its source, also one that stalls or was not read at all", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  let stalled = Promise.withResolvers<void>();
  const cancelled: unknown[] = [];
  const source = () =>
    new ReadableStream<Uint8Array>({
      pull() {
        stalled.resolve();
        return new Promise(() => {});
      },
      cancel(reason) {
        cancelled.push(reason);
      },
    }, { highWaterMark: 0 });
  const reason = new RangeError("enough");
  for (const given of [source(), source]) {
    stalled = Promise.withResolvers();
    const controller = new AbortController();
    const { signal } = controller;
    const put = store.put(given, { signal });
    await stalled.promise;
    controller.abort(reason);
    await assertRejects(() => put, RangeError, "enough");
  }
  const signal = AbortSignal.abort(reason);
  await assertRejects(() => store.put(source(), { signal }), RangeError);
  await assertRejects(() => store.put(source(), { ref: "" }), TypeError);
  assertEquals(cancelled.slice(0, 3), [reason, reason, reason]);
  assertEquals(cancelled.length, 4);
  assertEquals(await store.ingests.list(), []);
});

Deno.test("put() tells a source that ends early from one that is something else", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const descriptor = { digest: digestBytes("abcdef"), size: 6 };
  await assertRejects(
    () => store.put(encode("abc"), { descriptor }),
    DigestMismatchError,
    "expected 6 bytes, found 3 bytes",
  );
  assertEquals(await store.ingests.list(), []);
  {
    await using writer = await store.writer("a", { descriptor });
    await writer.write(encode("abc"));
  }
  await assertRejects(
    () => store.put(encode("ab"), { descriptor, ref: "a" }),
    Deno.errors.UnexpectedEof,
  );
  await store.put(encode("abcdef"), { descriptor, ref: "a" });
});

Deno.test("two processes that commit the same blob leave one", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const [a, b] = [await store.writer("a"), await store.writer("b")];
  await a.write(encode("same"));
  await b.write(encode("same"));
  const results = await Promise.allSettled([a.commit(), b.commit()]);
  const failed = results.filter(({ status }) => status === "rejected");
  assertEquals(failed.length, 1);
  assert(
    (failed[0] as PromiseRejectedResult).reason instanceof
      Deno.errors.AlreadyExists,
  );
  assertEquals((await Array.fromAsync(store.list())).length, 1);
  assertEquals([...Deno.readDirSync(`${store.path}/ingest`)], []);
});

/** More than is hashed by the way. */
const LARGE = 40 << 20;

Deno.test("write() of a large blob leaves hashing to another thread, whatever is cut meanwhile", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = randomBytes(LARGE);
  for (const step of [LARGE, (3 << 20) + 1]) {
    for (const total of [LARGE, undefined]) {
      await using writer = await store.writer("large", {
        descriptor: total === undefined ? {} : { size: total },
      });
      for (let at = 0; at < LARGE; at += step) {
        await writer.write(bytes.subarray(at, at + step));
      }
      assertEquals(await writer.digest(), digestBytes(bytes));
      await writer.truncate(LARGE - 5);
      assertEquals(await writer.digest(), digestBytes(bytes.subarray(0, -5)));
      await writer.truncate(7);
      assertEquals(await writer.digest(), digestBytes(bytes.subarray(0, 7)));
      await writer.write(bytes.subarray(7));
      await writer.commit(LARGE, digestBytes(bytes));
      assert(await store.delete(digestBytes(bytes)));
    }
  }
});

Deno.test("a blob of unknown size gets its digest, wherever hashing moves to", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const MIB = 1024 * 1024;
  const bytes = randomBytes(34 * MIB);
  // Hashed at once, from the file at the end, and by another thread.
  for (const size of [MIB, MIB + 1, 32 * MIB, 32 * MIB + 1, 34 * MIB]) {
    await using writer = await store.writer(`unknown-${size}`);
    const half = Math.ceil(size / 2);
    await writer.write(bytes.subarray(0, 1));
    await writer.write(bytes.subarray(1, half));
    assertEquals(await writer.digest(), digestBytes(bytes.subarray(0, half)));
    await writer.write(bytes.subarray(half, size - 1));
    await writer.readFrom(new Blob([bytes.subarray(size - 1, size)]).stream());
    const digest = digestBytes(bytes.subarray(0, size));
    assertEquals(await writer.digest(), digest, `${size} bytes`);
    await writer.commit(size, digest);
  }
});

Deno.test("commit() of many large blobs at once gives each its own digest", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digests = await Promise.all([1, 2, 3, 4].map(async (first) => {
    const bytes = new Uint8Array(LARGE).fill(first);
    await using writer = await store.writer(`large-${first}`);
    await writer.write(bytes);
    const digest = digestBytes(bytes);
    await writer.commit(LARGE, digest);
    return digest;
  }));
  for (const digest of digests) {
    assertEquals((await store.stat(digest))?.size, LARGE);
  }
});

Deno.test("commit() of a large blob says when its file was cut by someone else", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const writer = await store.writer("large", { descriptor: { size: LARGE } });
  // The first bytes go to the file when there are enough of them.
  const [file] = Deno.readDirSync(`${store.path}/ingest`);
  Deno.removeSync(`${store.path}/ingest/${file!.name}`);
  Deno.writeTextFileSync(`${store.path}/ingest/${file!.name}`, "short");
  await writer.write(new Uint8Array(LARGE));
  await assertRejects(
    () => writer.commit(),
    Deno.errors.UnexpectedEof,
    "it is shorter than what was written to it",
  );
});

Deno.test("a program that forgets the writer of a large blob ends, and needs no other permission", async () => {
  await using temp = tempDir();
  const program = `
    import { openStore } from ${
    JSON.stringify(new URL("mod.ts", import.meta.url).href)
  };
    const store = await openStore({ root: ${JSON.stringify(temp.path)} });
    const writer = await store.writer("large");
    await writer.write(new Uint8Array(${LARGE}));
    console.log(await writer.digest());
    await writer.write(new Uint8Array(1));
  `;
  const path = `${temp.path}/program.ts`;
  Deno.writeTextFileSync(path, program);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      "--config",
      new URL("../deno.json", import.meta.url).pathname,
      `--allow-read=${temp.path}`,
      `--allow-write=${temp.path}`,
      path,
    ],
    signal: AbortSignal.timeout(60_000),
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    `${digestBytes(new Uint8Array(LARGE))}\n`,
    new TextDecoder().decode(stderr),
  );
});

Deno.test("readFrom() appends a file, of any size and after anything else", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  // Hashed by the way, and by another thread.
  for (const size of [0, 100_000, 40 << 20]) {
    const bytes = randomBytes(size);
    const source = `${temp.path}/source`;
    Deno.writeFileSync(source, bytes);
    for (const start of [0, 5000]) {
      const head = randomBytes(start);
      const whole = new Uint8Array(await new Blob([head, bytes]).arrayBuffer());
      await using writer = await store.writer("file");
      await writer.write(head);
      let told = start;
      await writer.readFrom((await Deno.open(source)).readable, {
        onProgress(offset) {
          assert(offset > told);
          told = offset;
        },
      });
      assertEquals(told, whole.length);
      assertEquals(writer.offset, whole.length);
      const tail = randomBytes(3000);
      await writer.write(tail);
      const all = new Uint8Array(await new Blob([whole, tail]).arrayBuffer());
      const digest = digestBytes(all);
      await writer.commit(all.length, digest);
      assertEquals(digestBytes(await readAll(store, digest)), digest);
    }
  }
});

Deno.test("readFrom() takes all of a stream, whoever made it and whatever its chunks are", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = randomBytes(200_000);
  const digest = digestBytes(bytes);
  async function* chunks(size: number) {
    for (let at = 0; at < bytes.length; at += size) {
      yield bytes.subarray(at, at + size);
    }
  }
  const streams: Readonly<Record<string, () => ReadableStream<Uint8Array>>> = {
    "one chunk": () => ReadableStream.from([bytes]),
    "small chunks": () => ReadableStream.from(chunks(777)),
    "a blob": () => new Blob([bytes]).stream(),
    "a response": () => new Response(bytes).body!,
    "bytes": () => {
      const source = chunks(777);
      return new ReadableStream({
        type: "bytes",
        async pull(controller) {
          const { done, value } = await source.next();
          if (done) controller.close();
          else controller.enqueue(value.slice());
        },
      });
    },
  };
  for (const [name, open] of Object.entries(streams)) {
    await using writer = await store.writer("stream");
    await writer.readFrom(open());
    assertEquals(writer.offset, bytes.length, name);
    await writer.write(bytes);
    await writer.truncate(bytes.length);
    await writer.commit(bytes.length, digest);
    await store.delete(digest);
  }
});

Deno.test("readFrom() passes on what the stream fails with, and what came before stays", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = randomBytes(300_000);
  const cut = new RangeError("cut");
  const body = () =>
    ReadableStream.from((async function* () {
      yield bytes.subarray(0, 100_000);
      // Until it is written.
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw cut;
    })());
  {
    await using writer = await store.writer("cut");
    const error = await assertRejects(() => writer.readFrom(body()));
    assertEquals(error, cut);
    assertEquals(writer.offset, 100_000);
  }
  await using writer = await store.writer("cut");
  assertEquals(writer.offset, 100_000);
  await writer.readFrom(new Blob([bytes.subarray(100_000)]).stream());
  await writer.commit(bytes.length, digestBytes(bytes));
});

Deno.test("abort() and the signal call readFrom() off, and nothing of the stream is written any more", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const ended = new Error("ended");
  for (const type of ["bytes", undefined] as const) {
    for (const by of ["abort", "signal"] as const) {
      let more = () => {};
      const cancelled = Promise.withResolvers<unknown>();
      const body = new ReadableStream<Uint8Array>({
        type,
        start(controller: ReadableStreamDefaultController<Uint8Array>) {
          more = () => controller.enqueue(new Uint8Array(200_000));
          more();
        },
        cancel: cancelled.resolve,
      } as UnderlyingSource<Uint8Array>);
      const caller = new AbortController();
      const { signal } = caller;
      await using writer = await store.writer("stalls", { signal });
      const read = assertRejects(() => writer.readFrom(body));
      while (writer.offset < 200_000) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (by === "signal") caller.abort(ended);
      await writer.abort();
      assertThrows(more, TypeError);
      const error = await read;
      assertEquals(await cancelled.promise, error);
      if (by === "signal") assertEquals(error, ended);
      else assertInstanceOf(error, Deno.errors.BadResource);
      await using again = await store.writer("stalls");
      assertEquals(again.offset, 200_000);
      await again.truncate(0);
    }
  }
});

Deno.test("readFrom() takes nothing of a stream that has more than the descriptor says", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = randomBytes(300_000);
  const descriptor = { digest: digestBytes(bytes), size: bytes.length };
  await using writer = await store.writer("long", { descriptor });
  await writer.write(bytes.subarray(0, 100_000));
  await assertRejects(
    () => writer.readFrom(new Blob([bytes]).stream()),
    DigestMismatchError,
    "400000 or more",
  );
  assertEquals(writer.offset, 100_000);
  await writer.write(bytes.subarray(100_000));
  await writer.commit();
});
