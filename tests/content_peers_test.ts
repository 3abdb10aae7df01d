import { collect, openStore, verify } from "@containerkit/content";
import { describe, MediaType } from "@containerkit/oci";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { putBlob, putManifest } from "../content/testdata/images.ts";
import {
  makeRealImage,
  need,
  peer,
  program,
  rootTest,
  runProgram,
  startDockerRegistry,
  tempDir,
  testIf,
} from "./mod.ts";

const NOW = { grace: 0, ingestAge: 0 };
const CKIT = new URL("../examples/ckit/main.ts", import.meta.url).pathname;

async function ckit(
  root: string,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      CKIT,
      "--root",
      root,
      "--state",
      `${root}/run`,
      ...args,
    ],
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  ) as [string, string];
  return { code, out, err };
}

rootTest(
  "content store: skopeo writes an image into the layout, and it is taken in",
  async () => {
    await using temp = tempDir();
    const { layout, tag } = await makeRealImage(temp.path);
    using store = await openStore({ root: `${temp.path}/root` });
    const own = await putManifest(store);
    await store.images.create("own:1", own);
    const skopeo = program("skopeo")!;
    await runProgram(skopeo, [
      "copy",
      `oci:${layout}:${tag}`,
      `oci:${store.path}:theirs:2`,
    ]);
    assertEquals(
      (await store.images.list()).map(({ name }) => name),
      ["own:1", "theirs:2"],
    );
    const check = await store.images.check("theirs:2");
    assert(check.complete && check.present.length >= 3);
    // Adopted, and kept by its name.
    await collect(store, NOW);
    assert((await store.images.check("theirs:2")).complete);
    assertEquals((await verify(store)).damaged, []);
    // What we wrote is still there, and read in place.
    await runProgram(skopeo, ["inspect", "--raw", `oci:${store.path}:own:1`]);
    await runProgram(skopeo, [
      "copy",
      `oci:${store.path}:theirs:2`,
      `dir:${temp.path}/copied`,
    ]);
  },
  need("skopeo", "umoci", "busybox"),
);

rootTest(
  "content store: umoci tags and removes in the layout, and no name of ours is lost",
  async () => {
    await using temp = tempDir();
    const { layout, tag } = await makeRealImage(temp.path);
    using store = await openStore({ root: `${temp.path}/root` });
    await runProgram(program("skopeo")!, [
      "copy",
      `oci:${layout}:${tag}`,
      `oci:${store.path}:first`,
    ]);
    const umoci = program("umoci")!;
    await runProgram(umoci, [
      "tag",
      "--image",
      `${store.path}:first`,
      "second",
    ]);
    const manifest = await putManifest(store);
    await store.images.create("ours", manifest);
    await runProgram(umoci, ["rm", "--image", `${store.path}:ours`]);
    assertEquals(
      (await store.images.list()).map(({ name }) => name),
      ["first", "ours", "second"],
    );
    const listed = await runProgram(umoci, ["list", "--layout", store.path]);
    assertEquals(listed.trim().split("\n").toSorted(), [
      "first",
      "ours",
      "second",
    ]);
  },
  need("skopeo", "umoci", "busybox"),
);

rootTest(
  "content store: skopeo reads the layout while it is written",
  async () => {
    await using temp = tempDir();
    const { layout, tag } = await makeRealImage(temp.path);
    using store = await openStore({ root: `${temp.path}/root` });
    const skopeo = program("skopeo")!;
    await runProgram(skopeo, [
      "copy",
      `oci:${layout}:${tag}`,
      `oci:${store.path}:image`,
    ]);
    const manifest = await putManifest(store);
    let done = false;
    const writing = (async () => {
      let count = 0;
      while (!done) {
        await store.images.create(`busy:${count++}`, manifest);
        await putBlob(store);
      }
      return count;
    })();
    try {
      for (let round = 0; round < 3; round++) {
        await runProgram(skopeo, [
          "copy",
          `oci:${store.path}:image`,
          `dir:${temp.path}/copy${round}`,
        ]);
      }
    } finally {
      done = true;
    }
    const count = await writing;
    assertEquals((await store.images.list()).length, count + 1);
  },
  need("skopeo", "umoci", "busybox"),
);

rootTest(
  "content store: crane pushes the layout as it lies there",
  async () => {
    await using temp = tempDir();
    await using registry = await startDockerRegistry({
      folder: `${temp.path}/registry`,
    });
    using store = await openStore({ root: `${temp.path}/root` });
    const manifest = await putManifest(store, {
      layers: [await putBlob(store, MediaType.Layer)],
    });
    await store.images.create("one", manifest);
    const reference = `${registry.host}/one:1`;
    const crane = peer("crane")!;
    await runProgram(crane, ["push", "--insecure", store.path, reference]);
    assertEquals(
      (await runProgram(crane, ["digest", "--insecure", reference])).trim(),
      manifest.digest,
    );
  },
  need("crane", "docker-registry"),
);

Deno.test("images wait for a program that is writing index.json, and refuse a broken one", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const manifest = await putManifest(store);
  await store.images.create("a", manifest);
  const path = `${store.path}/index.json`;
  const whole = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, whole.slice(0, 40));
  const naming = store.images.create("b", manifest);
  setTimeout(() => Deno.writeTextFileSync(path, whole), 60);
  await naming;
  Deno.writeTextFileSync(path, "not JSON");
  assertEquals((await store.images.list()).length, 2);
  await assertRejects(
    () => store.images.create("c", manifest),
    Deno.errors.InvalidData,
    "it is not JSON",
  );
  assertEquals(Deno.readTextFileSync(path), "not JSON");
});

Deno.test("images keep the entries and fields of index.json that other programs wrote", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const [a, b] = [await putManifest(store), await putManifest(store)];
  const path = `${store.path}/index.json`;
  const name = "org.opencontainers.image.ref.name";
  const foreign = {
    schemaVersion: 2,
    mediaType: MediaType.Index,
    artifactType: "application/vnd.example",
    annotations: { note: "theirs" },
    manifests: [
      { ...a, annotations: { [name]: "x", more: "1" } },
      { ...b, annotations: { [name]: "x" } },
      describe(MediaType.Manifest, "unnamed"),
    ],
  };
  Deno.writeTextFileSync(path, JSON.stringify(foreign));
  await store.images.create("y", a);
  const written = JSON.parse(Deno.readTextFileSync(path));
  assertEquals(written.annotations, { note: "theirs" });
  assertEquals(written.artifactType, "application/vnd.example");
  assertEquals(written.manifests.slice(0, 3), foreign.manifests);
  assertEquals(written.manifests[3].annotations, { [name]: "y" });
  // Also those that have no name of their own there.
  for (const image of await store.images.list()) {
    await store.images.update(image.name, { labels: { seen: "1" } });
  }
  assertEquals(Deno.readTextFileSync(path), JSON.stringify(written));
});

Deno.test("images keep a moved name when another program writes what it read before", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const [a, b] = [await putManifest(store), await putManifest(store)];
  const path = `${store.path}/index.json`;
  await store.images.create("moved", a);
  const stale = Deno.readTextFileSync(path);
  await store.images.update("moved", { descriptor: b });
  await store.images.create("added", a);
  Deno.writeTextFileSync(path, stale);
  assertEquals(
    (await store.images.list()).map(({ name, descriptor }) => [
      name,
      descriptor.digest,
    ]),
    [["added", a.digest], ["moved", b.digest]],
  );
  assertEquals(JSON.parse(Deno.readTextFileSync(path)).manifests.length, 2);
});

rootTest(
  "ckit system prune removes the blobs and snapshots of an image whose name is gone",
  async () => {
    await using temp = tempDir();
    const { layout, tag } = await makeRealImage(temp.path);
    await using registry = await startDockerRegistry({
      folder: `${temp.path}/registry`,
    });
    const reference = `${registry.host}/busybox:1`;
    await runProgram(program("skopeo")!, [
      "copy",
      "--dest-tls-verify=false",
      `oci:${layout}:${tag}`,
      `docker://${reference}`,
    ]);
    const root = `${temp.path}/root`;
    const pulled = await ckit(root, "pull", "--plain-http", reference);
    assertEquals(pulled.code, 0, pulled.err);
    const kept = await ckit(root, "system", "prune", "--now");
    assertEquals(kept.out.trim(), "0 B freed", kept.err);
    using store = await openStore({ root });
    const { descriptor } = (await store.images.list())[0]!;
    const { layers } = JSON.parse(
      new TextDecoder().decode(await store.read(descriptor)),
    );
    const why = await ckit(root, "content", "why", layers[0].digest);
    assert(why.out.startsWith(`image ${reference}`), why.out);
    await ckit(root, "rmi", reference);
    // Pulled under a lease: nothing is younger than the last hour's grace.
    const pruned = await ckit(root, "system", "prune");
    assert(/^\d+\tsnapshot\/overlay$/m.test(pruned.out), pruned.out);
    assertEquals(await Array.fromAsync(store.list()), []);
    const snapshots = await ckit(root, "system", "df");
    assert(/^snapshot\/overlay +0 /m.test(snapshots.out), snapshots.out);
  },
  need("skopeo", "umoci", "busybox", "docker-registry"),
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "ckit content and system show, verify, repair and prune",
  async () => {
    await using temp = tempDir();
    const [root, backup] = [`${temp.path}/root`, `${temp.path}/backup`];
    using store = await openStore({ root });
    const layer = await putBlob(store);
    const manifest = await putManifest(store, { layers: [layer] });
    await store.images.create("a:1", manifest);
    const garbage = await putBlob(store);
    using other = await openStore({ root: backup });
    await other.put(
      await store.read(layer),
      { descriptor: layer },
    );
    const listed = await ckit(root, "content", "ls");
    assertEquals(listed.code, 0, listed.err);
    assertEquals(listed.out.trim().split("\n").length, 4);

    assertEquals((await ckit(root, "content", "verify")).code, 0);
    const file = `${store.path}/blobs/${layer.digest.replace(":", "/")}`;
    Deno.chmodSync(file, 0o600);
    Deno.writeTextFileSync(file, "y".repeat(layer.size));
    const verified = await ckit(root, "content", "verify");
    assertEquals(verified.code, 1);
    assert(verified.out.includes(layer.digest));
    const repaired = await ckit(root, "content", "repair", "--from", backup);
    assertEquals([repaired.code, repaired.out.trim()], [0, layer.digest]);
    assertEquals((await ckit(root, "content", "verify")).code, 0);

    const why = await ckit(root, "content", "why", layer.digest);
    assertEquals(why.out.split("\n").slice(0, 2), [
      "image a:1: it is an image's name",
      `  blob ${manifest.digest}`,
    ]);
    assert((await ckit(root, "content", "gc")).out.startsWith("0 removed"));
    const dry = await ckit(root, "content", "gc", "--dry-run", "--now");
    assert(dry.out.includes(garbage.digest));
    assert(dry.out.includes("1 would be removed"));
    const df = await ckit(root, "system", "df");
    assert(/^blob +4 .* 1 /m.test(df.out), df.out);
    const pruned = await ckit(root, "system", "prune", "--now");
    assert(pruned.out.startsWith("1\tblob"), pruned.out);
    assertEquals(await store.stat(garbage.digest), undefined);
  },
);
