import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  describe,
  digestBytes,
  DigestMismatchError,
  MediaType,
} from "@containerkit/oci";
import { tempDir } from "../tests/mod.ts";
import { putManifest } from "./testdata/images.ts";
import { LockedError, openStore } from "./mod.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("openStore() makes a valid image layout", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  assertEquals(
    JSON.parse(Deno.readTextFileSync(`${store.path}/oci-layout`)),
    { imageLayoutVersion: "1.0.0" },
  );
  assertEquals(
    JSON.parse(Deno.readTextFileSync(`${store.path}/index.json`)).manifests,
    [],
  );
  const { digest } = await store.put(encode("hello"));
  const path = `${store.path}/blobs/${digest.replace(":", "/")}`;
  assertEquals(Deno.readTextFileSync(path), "hello");
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o444);
});

Deno.test("openStore() refuses what is no image layout", async () => {
  await using temp = tempDir();
  Deno.mkdirSync(`${temp.path}/content`);
  Deno.writeTextFileSync(
    `${temp.path}/content/oci-layout`,
    '{"imageLayoutVersion":"2.0.0"}',
  );
  await assertRejects(
    () => openStore({ root: temp.path }),
    Deno.errors.InvalidData,
    "is no OCI image layout of version 1.0.0",
  );
});

Deno.test("openStore() removes what killed processes had written of index.json", async () => {
  await using temp = tempDir();
  (await openStore({ root: temp.path })).close();
  const content = `${temp.path}/content`;
  const name = () => `index.json.${crypto.randomUUID()}.tmp`;
  const [old, recent, others] = [name(), name(), "index.json.mine.tmp"];
  for (const one of [old, recent, others]) {
    Deno.writeTextFileSync(`${content}/${one}`, "{");
  }
  const before = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const one of [old, others]) {
    Deno.utimeSync(`${content}/${one}`, before, before);
  }
  (await openStore({ root: temp.path })).close();
  const left = [...Deno.readDirSync(content)].map(({ name }) => name)
    .filter((name) => name.endsWith(".tmp"));
  assertEquals(left.sort(), [recent, others].sort());
});

Deno.test("writer() resumes at the exact byte", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  const digest = digestBytes(bytes);
  {
    await using writer = await store.writer("a");
    await writer.write(bytes.subarray(0, 12_345));
  }
  await using writer = await store.writer("a");
  assertEquals(writer.offset, 12_345);
  await writer.write(bytes.subarray(12_345));
  await writer.commit(bytes.length, digest);
  assertEquals((await store.stat(digest))?.size, bytes.length);
  assertEquals(
    new Uint8Array(await new Response(await store.open(digest)).arrayBuffer()),
    bytes,
  );
});

Deno.test("writer() is the only one of its ref", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const first = await store.writer("a");
  const error = await assertRejects(() => store.writer("a"), LockedError);
  assertEquals(error.pid, Deno.pid);
  const waiting = store.writer("a", { wait: true });
  await first.abort();
  await (await waiting).abort();
});

Deno.test("commit() refuses what is something else and keeps it", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const digest = digestBytes("hello");
  const write = async (size: number, digest: string) => {
    await using writer = await store.writer("a");
    if (writer.offset === 0) await writer.write(encode("hello"));
    await writer.commit(size, digest);
  };
  await assertRejects(
    () => write(5, digestBytes("other")),
    DigestMismatchError,
  );
  await assertRejects(() => write(6, digest), DigestMismatchError);
  await write(5, digest);
  await assertRejects(() => write(5, digest), Deno.errors.AlreadyExists);
});

Deno.test("images show in index.json, and foreign ones are taken in", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const index = '{"schemaVersion":2,"manifests":[]}';
  const descriptor = describe(MediaType.Index, index);
  await store.put(encode(index), { descriptor });
  await store.images.create("example.com/a:1", descriptor);
  const path = `${store.path}/index.json`;
  const document = JSON.parse(Deno.readTextFileSync(path));
  assertEquals(document.manifests[0].annotations, {
    "org.opencontainers.image.ref.name": "example.com/a:1",
  });
  document.manifests[0].annotations["org.opencontainers.image.ref.name"] =
    "foreign";
  Deno.writeTextFileSync(path, JSON.stringify(document));
  assertEquals(
    (await store.images.list()).map(({ name }) => name),
    ["example.com/a:1", "foreign"],
  );
  assertEquals(
    JSON.parse(Deno.readTextFileSync(path)).manifests.length,
    2,
  );
  assert((await store.images.check("foreign")).complete);
  assertEquals(await store.images.delete("foreign"), true);
  assertEquals(await store.images.get("foreign"), undefined);
});

Deno.test({
  name: "openStore() is of /var/lib/containerkit unless told otherwise",
  permissions: "none",
  async fn() {
    await assertRejects(
      () => openStore(),
      Deno.errors.NotCapable,
      '"/var/lib/containerkit"',
    );
  },
});

Deno.test("images that another program names while index.json is written are taken in", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const manifest = await putManifest(store);
  await store.images.create("before", manifest);
  const path = `${store.path}/index.json`;
  const { renameSync, FsFile } = Deno;
  const { syncSync } = FsFile.prototype;
  let asked = 0;
  // Another one is on its way to the disk meanwhile.
  FsFile.prototype.syncSync = function () {
    syncSync.call(this);
    if (asked++ > 0) return;
    const index = JSON.parse(Deno.readTextFileSync(path));
    index.manifests[0].annotations["org.opencontainers.image.ref.name"] =
      "meanwhile";
    Deno.writeTextFileSync(`${path}.other`, JSON.stringify(index));
    renameSync(`${path}.other`, path);
  };
  try {
    await store.images.create("after", manifest);
  } finally {
    FsFile.prototype.syncSync = syncSync;
  }
  const names = ["after", "before", "meanwhile"];
  assertEquals((await store.images.list()).map(({ name }) => name), names);
  const shown = JSON.parse(Deno.readTextFileSync(path)).manifests.map((
    { annotations }: { annotations: Record<string, string> },
  ) => annotations["org.opencontainers.image.ref.name"]);
  assertEquals(shown.toSorted(), names);
  assertEquals(
    [...Deno.readDirSync(store.path)].filter(({ name }) =>
      name.endsWith(".tmp")
    ),
    [],
  );
});
