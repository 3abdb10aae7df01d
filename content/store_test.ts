import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, digestBytes, DigestMismatchError } from "@containerkit/oci";
import { tempDir } from "../tests/mod.ts";
import { openStore, repair, type Store, verify } from "./mod.ts";
import { putBlob, putManifest } from "./testdata/images.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const fileOf = (store: Store, digest: string) =>
  `${store.path}/blobs/${digest.replace(":", "/")}`;

function damage(store: Store, digest: string, text: string): void {
  Deno.chmodSync(fileOf(store, digest), 0o600);
  Deno.writeTextFileSync(fileOf(store, digest), text);
}

Deno.test("open() reads ranges and refuses what lies outside", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await store.put(encode("0123456789"));
  const read = async (options: { offset?: number; length?: number }) =>
    await new Response(await store.open(digest, options)).text();
  assertEquals(await read({}), "0123456789");
  assertEquals(await read({ offset: 3 }), "3456789");
  assertEquals(await read({ offset: 3, length: 2 }), "34");
  assertEquals(await read({ offset: 8, length: 99 }), "89");
  assertEquals(await read({ offset: 10 }), "");
  assertEquals(await read({ length: 0 }), "");
  for (const offset of [11, -1, 0.5, NaN]) {
    await assertRejects(() => store.open(digest, { offset }), RangeError);
  }
  for (const length of [-1, 1.5, NaN]) {
    await assertRejects(
      () => store.open(digest, { length }),
      RangeError,
      `${length} is no number of bytes`,
    );
  }
  await assertRejects(
    () => store.open(digestBytes("other")),
    Deno.errors.NotFound,
    "there is no such blob",
  );
});

Deno.test("open() gives the file's own stream where it is read to its end", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await store.put(encode("0123456789"));
  const read = async (options: { offset?: number; length?: number }) => {
    const stream = await store.open(digest, { ...options, direct: true });
    // A stream of a file is one of bytes.
    let isOwn = true;
    try {
      stream.getReader({ mode: "byob" }).releaseLock();
    } catch {
      isOwn = false;
    }
    return [await new Response(stream).text(), isOwn];
  };
  assertEquals(await read({}), ["0123456789", true]);
  assertEquals(await read({ offset: 3 }), ["3456789", true]);
  assertEquals(await read({ offset: 3, length: 7 }), ["3456789", true]);
  assertEquals(await read({ offset: 10 }), ["", true]);
  assertEquals(await read({ offset: 3, length: 2 }), ["34", false]);
  damage(store, digest, "01234");
  await assertRejects(
    () => store.open(digest, { direct: true }),
    Deno.errors.NotFound,
    "another size",
  );
});

Deno.test("open() ends with the signal, and goes on when the blob is removed", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await store.put(new Uint8Array(3 << 20));
  const controller = new AbortController();
  const aborted = await store.open(digest, { signal: controller.signal });
  const reader = aborted.getReader();
  await reader.read();
  controller.abort(new RangeError("enough"));
  await assertRejects(async () => {
    while (!(await reader.read()).done);
  }, RangeError);
  const stream = await store.open(digest);
  await store.delete(digest);
  assertEquals((await new Response(stream).bytes()).length, 3 << 20);
  const { digest: next } = await store.put(encode("next"));
  await (await store.open(next)).cancel();
});

Deno.test("read() uses what the descriptor carries only if it is right", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const descriptor = describe("text/plain", "hello");
  assertEquals(
    await store.read({ ...descriptor, data: btoa("hello") }),
    encode("hello"),
  );
  for (const data of [btoa("hullo"), "?", "", btoa("hello!")]) {
    await assertRejects(
      () => store.read({ ...descriptor, data }),
      Deno.errors.NotFound,
    );
  }
  await store.put(encode("hello"));
  assertEquals(
    await store.read({ ...descriptor, data: btoa("hullo") }),
    encode("hello"),
  );
  await assertRejects(
    () => store.read(descriptor, { limit: 4 }),
    RangeError,
  );
  await assertRejects(
    () => store.read({ ...descriptor, size: 4 }),
    DigestMismatchError,
  );
  damage(store, descriptor.digest, "hullo");
  await assertRejects(() => store.read(descriptor), DigestMismatchError);
});

Deno.test("copyTo() copies, and reader() reads at any place at once", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await store.put(encode("0123456789"));
  await store.copyTo(digest, `${temp.path}/copy`);
  assertEquals(Deno.readTextFileSync(`${temp.path}/copy`), "0123456789");
  using reader = await store.reader(digest);
  const parts = await Promise.all([7, 0, 3].map(async (offset) => {
    const buffer = new Uint8Array(3);
    await reader.readAt(buffer, offset);
    return new TextDecoder().decode(buffer);
  }));
  assertEquals(parts, ["789", "012", "345"]);
  await assertRejects(() => reader.readAt(new Uint8Array(1), -1), RangeError);
});

Deno.test("stat() does not count a blob of a wrong size, and it can be written again", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await store.put(encode("hello"), { labels: { a: "1" } });
  damage(store, digest, "hell");
  assertEquals(await store.stat(digest), undefined);
  await assertRejects(() => store.open(digest), Deno.errors.NotFound);
  await store.put(encode("hello"), { descriptor: { digest } });
  assertEquals(await store.stat(digest), { size: 5 });
  assertEquals((await store.info(digest)).labels, { a: "1" });
});

Deno.test("stat() does not follow a link, and a commit replaces it", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digest = digestBytes("hello");
  Deno.writeTextFileSync(`${temp.path}/outside`, "hello");
  Deno.symlinkSync(`${temp.path}/outside`, fileOf(store, digest));
  assertEquals(await store.stat(digest), undefined);
  await store.put(encode("hello"));
  assertEquals(await store.stat(digest), { size: 5 });
  assert(Deno.lstatSync(fileOf(store, digest)).isFile);
  assertEquals(Deno.readTextFileSync(`${temp.path}/outside`), "hello");
});

Deno.test("a folder in the place of a blob is left alone and named", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digest = digestBytes("hello");
  Deno.mkdirSync(fileOf(store, digest));
  assertEquals(await store.stat(digest), undefined);
  await assertRejects(
    () => store.put(encode("hello"), { descriptor: { digest } }),
    Deno.errors.IsADirectory,
    "is a directory",
  );
  assert(Deno.lstatSync(fileOf(store, digest)).isDirectory);
  assertEquals(await store.ingests.list(), []);
});

Deno.test("openStore() refuses links and files in the place of its folders", async () => {
  for (const name of ["blobs", "blobs/sha256", "ingest"]) {
    await using temp = tempDir();
    (await openStore({ root: temp.path })).close();
    Deno.removeSync(`${temp.path}/content/${name}`, { recursive: true });
    Deno.symlinkSync("/tmp", `${temp.path}/content/${name}`);
    await assertRejects(
      () => openStore({ root: temp.path }),
      Deno.errors.NotADirectory,
      name,
    );
  }
});

Deno.test("a file that another program put into blobs/ is hashed before it counts", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const [right, wrong] = [digestBytes("right"), digestBytes("wrong")];
  Deno.writeTextFileSync(fileOf(store, right), "right");
  Deno.writeTextFileSync(fileOf(store, wrong), "something else");
  assertEquals(await store.stat(right), { size: 5 });
  assertEquals(await store.stat(wrong), undefined);
  // It is looked at again once it has changed.
  Deno.writeTextFileSync(fileOf(store, wrong), "wrong");
  assertEquals(await store.stat(wrong), { size: 5 });
});

Deno.test("a file that another program removes while it is hashed is not taken in", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digest = digestBytes("right");
  Deno.writeTextFileSync(fileOf(store, digest), "right");
  const found = store.stat(digest);
  Deno.removeSync(fileOf(store, digest));
  assertEquals(await found, undefined);
  assertEquals(await Array.fromAsync(store.list()), []);
});

Deno.test("list() filters by containerd's language", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const put = async (text: string, labels: Record<string, string>) =>
    (await store.put(encode(text), { labels })).digest;
  const a = await put("a", { k: "1", "x.y/z": "one" });
  const b = await put("bb", { k: "2" });
  const c = await put("ccc", {});
  const cases: readonly (readonly [string | string[], string[]])[] = [
    ["", [a, b, c]],
    [[], [a, b, c]],
    ["labels.k", [a, b]],
    ["labels.k==1", [a]],
    ["labels.k!=1", [b, c]],
    ['labels."x.y/z"==one', [a]],
    ["labels.k~=^[12]$", [a, b]],
    ["labels.k~=/1|2/,size==2", [b]],
    [`digest==${a}`, [a]],
    [`digest!=${a}`, [b, c]],
    [["labels.k==1", "size==3"], [a, c]],
    [["labels.k==1", "labels.k==2"], [a, b]],
    ["labels.k==1,labels.k==2", []],
    ["nonsense==1", []],
    ['labels.k=="1"', [a]],
    // What every object has is no label.
    ["labels.constructor,size!=0", []],
  ];
  for (const [filters, expected] of cases) {
    const found = await Array.fromAsync(store.list({ filters }));
    assertEquals(found.map(({ digest }) => digest), expected);
  }
  for (
    const bad of ["labels.", "a==", "a=b", "a==b c", '"a', "a~=(", ",", "a,"]
  ) {
    await assertRejects(
      () => Array.fromAsync(store.list({ filters: bad })),
      SyntaxError,
      "Cannot parse filter",
    );
  }
});

Deno.test("label() says what is wrong with labels and leaves them as they were", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await store.put(encode("a"), { labels: { a: "1" } });
  await assertRejects(() => store.label(digest, { "": "x" }), RangeError);
  await assertRejects(
    () => store.label(digest, { b: "x".repeat(4096) }),
    RangeError,
  );
  await assertRejects(
    () => store.label(digest, { b: 1 as unknown as string }),
    TypeError,
  );
  assertEquals((await store.info(digest)).labels, { a: "1" });
  await assertRejects(
    () => store.label(digestBytes("none"), {}),
    Deno.errors.NotFound,
  );
});

Deno.test("images refuse names and descriptors that an image layout cannot show", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const manifest = await putManifest(store);
  for (
    const name of ["", "/a", "a//b", "a b", "-a", "a:", "ä", "x".repeat(600)]
  ) {
    await assertRejects(
      () => store.images.create(name, manifest),
      SyntaxError,
    );
  }
  for (const size of [NaN, -1, 0.5]) {
    const descriptor = { ...manifest, size };
    await assertRejects(
      () => store.images.create("a", descriptor),
      TypeError,
      '"size" is not a number of bytes',
    );
  }
  for (const name of ["127.0.0.1:5000/a__b/c---d:v1.0", "a@sha256:00"]) {
    await store.images.create(name, manifest);
  }
  await assertRejects(
    () => store.images.create("a@sha256:00", manifest),
    Deno.errors.AlreadyExists,
  );
  await assertRejects(
    () => store.images.update("none", {}),
    Deno.errors.NotFound,
  );
  assertEquals(
    (await store.images.list("name~=^127")).map(({ name }) => name),
    ["127.0.0.1:5000/a__b/c---d:v1.0"],
  );
});

Deno.test("images.check() says which parts are missing", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const layer = await putBlob(store);
  const manifest = await putManifest(store, { layers: [layer] });
  await store.images.create("a", manifest);
  assertEquals((await store.images.check("a")).complete, true);
  damage(store, layer.digest, "");
  const check = await store.images.check("a");
  assertEquals(check.missing.map(({ digest }) => digest), [layer.digest]);
  assertEquals(check.complete, false);
  // By a hash function that is registered, and cannot be computed here.
  const blake = { ...layer, digest: `blake3:${"0".repeat(64)}` };
  const other = await putManifest(store, { layers: [blake] });
  const { missing } = await store.images.check(other);
  assertEquals(missing.map(({ digest }) => digest), [blake.digest]);
  const text = await new Response(await store.open(manifest.digest)).text();
  damage(store, manifest.digest, text.replace("{", " "));
  const damaged = await store.images.check("a");
  assertEquals(damaged.missing.map(({ digest }) => digest), [manifest.digest]);
  assertEquals(damaged.present, []);
  await assertRejects(() => store.images.check("b"), Deno.errors.NotFound);
});

Deno.test("verify() goes on where its budget ended", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  for (let count = 0; count < 5; count++) await putBlob(store);
  const before = new Date(Date.now() + 1000);
  const first = await verify(store, { before, budget: 100 });
  assertEquals([first.complete, first.blobs], [false, 2]);
  const second = await verify(store, { before });
  assertEquals([second.complete, second.blobs], [true, 3]);
  assertEquals((await verify(store, { before })).blobs, 0);
  await assertRejects(
    () => verify(store, { digests: [digestBytes("none")] }),
    Deno.errors.NotFound,
  );
  await assertRejects(() => verify(store, { signal: AbortSignal.abort() }));
});

Deno.test("verify() takes for damaged what the disk cannot give, and no other failure", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await putBlob(store);
  const failing = async (code: string) => {
    const { openSync } = Deno;
    Deno.openSync = () => {
      throw Object.assign(new Error("as told"), { code });
    };
    try {
      return await verify(store, { before: new Date(Date.now() + 1000) });
    } finally {
      Deno.openSync = openSync;
    }
  };
  await assertRejects(() => failing("EMFILE"), Error, "as told");
  assert(await store.stat(digest));
  assertEquals((await failing("EIO")).damaged.length, 1);
  assertEquals(await store.stat(digest), undefined);
});

Deno.test("verify() finds content, size and file that are wrong, and repair() mends them", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const texts = ["content", "size", "missing", "whole"];
  const digests = texts.map((text) => digestBytes(text));
  for (const text of texts) await store.put(encode(text));
  damage(store, digests[0]!, "c0ntent");
  damage(store, digests[1]!, "si");
  Deno.removeSync(fileOf(store, digests[2]!));
  const { damaged, blobs } = await verify(store, {
    before: new Date(Date.now() + 1000),
  });
  assertEquals(blobs, 4);
  assertEquals(
    Object.fromEntries(damaged.map(({ digest, problem }) => [digest, problem])),
    {
      [digests[0]!]: `its content is ${digestBytes("c0ntent")}`,
      [digests[1]!]: "its file has 2 bytes instead of 4",
      [digests[2]!]: "its file is missing",
    },
  );
  for (const { digest } of damaged) {
    assertEquals(await store.stat(digest), undefined);
    assert((await store.info(digest)).damaged);
  }
  const source = (wrong: boolean) => ({
    open: ({ digest }: { digest: string }) =>
      Promise.resolve(
        new Blob([wrong ? "????" : texts[digests.indexOf(digest)]!]).stream(),
      ),
  });
  const refused = await repair(store, source(true));
  assertEquals([refused.repaired.length, refused.failed.length], [0, 3]);
  const { repaired, failed } = await repair(store, source(false));
  assertEquals(repaired.toSorted(), digests.slice(0, 3).toSorted());
  assertEquals(failed, []);
  for (const digest of digests) assert(await store.stat(digest));
  assertEquals((await store.info(digests[0]!)).damaged, undefined);
});
