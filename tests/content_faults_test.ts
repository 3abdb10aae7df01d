import { collect, openStore, verify } from "@containerkit/content";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { putBlob, putManifest } from "../content/testdata/images.ts";
import { startWorker } from "./faults/_content_world.ts";
import { fillDisk, rootTest, runProgram, tempDir } from "./mod.ts";

const NOW = { grace: 0, ingestAge: 0 };

/** Mounts a small file system, and unmounts it. */
async function mountTmpfs(path: string, options: string) {
  await Deno.mkdir(path, { recursive: true });
  await runProgram("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
  return {
    [Symbol.asyncDispose]: () =>
      runProgram("umount", [path]).then(() => undefined),
  };
}

/** The one file that is being written. */
function ingestOf(root: string): string {
  const folder = `${root}/content/ingest`;
  const [file] = [...Deno.readDirSync(folder)];
  return `${folder}/${file!.name}`;
}

rootTest(
  "content store: a full disk is said, and what is written goes on when there is room",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/small`;
    await using _mounted = await mountTmpfs(root, "size=8m");
    using store = await openStore({ root });
    const kept = await putManifest(store);
    await store.images.create("kept", kept);
    Deno.writeFileSync(`${root}/filler`, new Uint8Array(4 << 20));
    const chunk = new Uint8Array(1 << 20);
    // So little is gathered before it is written.
    const small = await store.writer("small");
    await small.write(chunk.subarray(0, 100_000));
    const writer = await store.writer("big");
    const error = await assertRejects(async () => {
      for (let left = 16; left > 0; left--) await writer.write(chunk);
      await writer.commit();
    }, Error);
    assert(/No space left/.test(error.message), error.message);
    await writer.abort();
    await assertRejects(
      () => small.commit(),
      Error,
      'Cannot write "small": No space left',
    );
    assert((await store.images.check("kept")).complete);
    Deno.removeSync(`${root}/filler`);
    await using again = await store.writer("big");
    assert(again.offset > 0 && again.offset % 4096 === 0);
    await again.write(chunk);
    await again.commit();
    assertEquals((await verify(store)).damaged, []);
    await store.images.create("after", kept);
  },
);

rootTest(
  "content store: on a full disk it can be opened, and names and blobs be removed",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/small`;
    await using _mounted = await mountTmpfs(root, "size=16m");
    const image = await (async () => {
      using store = await openStore({ root });
      const image = await putManifest(store);
      await store.images.create("kept", image);
      const lease = await store.leases.create({ ttl: 1 });
      lease.keep();
      await lease.store.put(new Uint8Array(10));
      return image;
    })();
    fillDisk(root);
    using store = await openStore({ root });
    assertEquals(await store.images.delete("kept"), true);
    const { removed } = await collect(store, NOW);
    assertEquals(
      removed.map(({ type }) => type).sort(),
      ["blob", "blob", "blob", "lease"],
    );
    assertEquals(await store.stat(image.digest), undefined);
  },
);

rootTest(
  "content store: a full disk is said of a stream that is read from too",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/small`;
    await using _mounted = await mountTmpfs(root, "size=8m");
    using store = await openStore({ root });
    Deno.writeFileSync(`${root}/filler`, new Uint8Array(2 << 20));
    const source = `${temp.path}/source`;
    Deno.writeFileSync(source, new Uint8Array(16 << 20));
    {
      await using writer = await store.writer("big");
      const file = await Deno.open(source);
      await assertRejects(
        () => writer.readFrom(file.readable),
        Error,
        'Cannot write "big": No space left',
      );
      assertEquals(writer.offset, Deno.statSync(ingestOf(root)).size);
    }
    Deno.removeSync(`${root}/filler`);
    await using again = await store.writer("big");
    await again.truncate(0);
    await again.write(new Uint8Array(1 << 20));
    await again.commit();
    assertEquals((await verify(store)).damaged, []);
  },
);

rootTest("content store: a full disk takes no name away", async () => {
  await using temp = tempDir();
  const root = `${temp.path}/small`;
  await using _mounted = await mountTmpfs(root, "size=2m");
  using store = await openStore({ root });
  const manifest = await putManifest(store);
  await store.images.create("a", manifest);
  const before = Deno.readTextFileSync(`${store.path}/index.json`);
  try {
    Deno.writeFileSync(`${root}/filler`, new Uint8Array(4 << 20));
  } catch {
    // As much as there is room for.
  }
  await assertRejects(() => store.images.create("b", manifest));
  assertEquals(Deno.readTextFileSync(`${store.path}/index.json`), before);
  assertEquals((await store.images.list()).length, 1);
  Deno.removeSync(`${root}/filler`);
  await store.images.create("b", manifest);
  assertEquals(
    [...Deno.readDirSync(store.path)].filter(({ name }) =>
      name.endsWith(".tmp")
    ),
    [],
  );
});

rootTest("content store: a read-only file system is said", async () => {
  await using temp = tempDir();
  const root = `${temp.path}/root`;
  await using _mounted = await mountTmpfs(root, "size=8m");
  {
    using store = await openStore({ root });
    await putBlob(store);
  }
  await runProgram("mount", ["-o", "remount,ro", root]);
  const error = await assertRejects(() => openStore({ root }), Error);
  assert(/read-only|readonly|Read-only/.test(error.message), error.message);
});

rootTest(
  "content store: another user uses a store of his own, and is refused one of root's",
  async () => {
    await using temp = tempDir();
    Deno.chmodSync(temp.path, 0o755);
    const [own, roots] = [`${temp.path}/own`, `${temp.path}/roots`];
    Deno.mkdirSync(own);
    Deno.chownSync(own, 65534, 65534);
    (await openStore({ root: roots })).close();
    const run = async (root: string) => {
      const { success, stderr } = await startWorker(root, 7, 15, { uid: 65534 })
        .output();
      return { success, text: new TextDecoder().decode(stderr) };
    };
    const first = await run(own);
    assert(first.success, first.text);
    const second = await run(roots);
    assertEquals(second.success, false);
    assert(/PermissionDenied/.test(second.text), second.text);
    using store = await openStore({ root: own });
    assertEquals((await verify(store)).damaged, []);
  },
);

Deno.test("content store: a clock that was ahead keeps things no longer than the right one", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const { digest } = await putBlob(store);
  const labelled = await putBlob(store);
  const ahead = Date.now() + 1e9;
  const database = new DatabaseSync(`${store.path}/state.db`);
  database.exec(
    `UPDATE blobs SET held = ${ahead}, created = ${ahead}, updated = ${ahead}`,
  );
  database.close();
  // Times of one blob never go back.
  const info = await store.label(labelled.digest, { a: "1" });
  assertEquals(info.updated.getTime(), ahead);
  await collect(store);
  assert(await store.stat(digest));
  await new Promise((resolve) => setTimeout(resolve, 2));
  await collect(store, NOW);
  assertEquals(await store.stat(digest), undefined);
});
