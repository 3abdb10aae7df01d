/**
 * Collecting garbage in the folder of a registry that is served by another process.
 */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import {
  deleteManifest,
  deleteTag,
  type Image,
  pull,
  push,
  RegistryClient,
} from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createMemoryStore } from "@containerkit/distribution/registry";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { testBytes, testImage } from "../distribution/_test_image.ts";
import {
  ckit,
  need,
  peer,
  program,
  runProgram,
  startCkit,
  tempDir,
  testIf,
  until,
} from "./mod.ts";

const SCRIPT = new URL("_prune_registry.ts", import.meta.url).pathname;
const REPOSITORIES = ["a", "b/c", "d"];

interface Served extends AsyncDisposable {
  readonly host: string;
  readonly root: string;
}

/** Has ckit serve a registry. */
async function serve(folder: string): Promise<Served> {
  const root = `${folder}/registry`;
  const child = startCkit(
    ["registry", "serve", "--listen", "127.0.0.1:0", root],
    { folder },
  );
  const text = child.stdout.pipeThrough(new TextDecoderStream());
  const lines = text.getReader();
  const { value = "" } = await lines.read();
  lines.releaseLock();
  return {
    host: /on (\S+)/.exec(value)![1]!,
    root,
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await child.status;
      await text.cancel();
      await child.stderr.cancel();
    },
  };
}

/** Makes everything in a registry as old as can be: no push counts on it. */
function age(root: string): void {
  const holders = `${root}/registry/holders`;
  for (const { name } of Deno.readDirSync(holders)) {
    for (const holder of Deno.readDirSync(`${holders}/${name}`)) {
      Deno.writeTextFileSync(`${holders}/${name}/${holder.name}`, "0");
    }
  }
  using database = new DatabaseSync(`${root}/content/state.db`, {
    timeout: 5000,
  });
  database.exec("UPDATE blobs SET held = 0");
}

/** The digests of all blobs that are there, in order. */
function blobsOf(root: string): string[] {
  return [...Deno.readDirSync(`${root}/content/blobs/sha256`)]
    .map(({ name }) => `sha256:${name}`).toSorted();
}

/** The digests of all that images consist of, in order. */
function partsOf(images: readonly Image[]): string[] {
  const all = images.flatMap(({ descriptor, layers, raw }) => {
    const { config } = JSON.parse(new TextDecoder().decode(raw.manifest));
    return [descriptor, config, ...layers].map(({ digest }) => digest);
  });
  return [...new Set<string>(all)].toSorted();
}

function collectGarbage(root: string, count: number): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", SCRIPT, root, String(count)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

Deno.test("pruneRegistry() in another process breaks no push to a registry that goes on", async () => {
  using temp = tempDir();
  await using served = await serve(temp.path);
  const { host, root } = served;
  using client = new RegistryClient();
  const image = testImage({ layers: Array(20).fill(5000) });
  for (let round = 1; round <= 4; round++) {
    const garbage = testImage({ seed: round + 1 });
    await push(garbage, `${host}/garbage:1`, { client });
    await push(image, `${host}/garbage:2`, { client });
    for (const tag of ["1", "2"]) {
      await deleteTag(`${host}/garbage:${tag}`, { client });
    }
    for (const name of round === 1 ? [] : REPOSITORIES) {
      await deleteTag(`${host}/${name}:1`, { client });
    }
    age(root);
    const child = collectGarbage(root, 0);
    const lines = child.stdout.pipeThrough(new TextDecoderStream());
    const reader = lines.getReader();
    assertEquals((await reader.read()).value, "ready\n");
    try {
      // All of it is garbage so far, and being removed.
      await Promise.all(
        REPOSITORIES.map((name) =>
          push(image, `${host}/${name}:1`, { client })
        ),
      );
      const expected = partsOf([image]);
      await until(
        "the removal of all else",
        () => blobsOf(root).every((digest) => expected.includes(digest)),
      );
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    }
    for (const name of REPOSITORIES) {
      const pulled = await pull(`${host}/${name}:1`, createMemoryStore(), {
        client,
      });
      assertEquals(pulled.descriptor, image.descriptor);
    }
  }
});

Deno.test("pruneRegistry() that was killed leaves every image whole, and the next one goes on", async () => {
  using temp = tempDir();
  await using served = await serve(temp.path);
  const { host, root } = served;
  using client = new RegistryClient();
  const kept = [1, 2].map((seed) => testImage({ layers: [3000, 10], seed }));
  for (const [at, image] of kept.entries()) {
    await push(image, `${host}/kept:${at}`, { client });
  }
  let isKilled = true;
  for (let count = 1; isKilled; count += 2) {
    const gone = testImage({ layers: [4000, 20], seed: 3 });
    await push(gone, `${host}/kept:gone`, { client });
    await push(gone, `${host}/other:gone`, { client });
    for (const name of ["kept", "other"]) {
      await deleteTag(`${host}/${name}:gone`, { client });
    }
    age(root);
    const child = collectGarbage(root, count);
    await child.stdout.cancel();
    isKilled = (await child.status).signal === "SIGKILL";
    for (const [at, { descriptor }] of kept.entries()) {
      const reference = `${host}/kept:${at}`;
      const pulled = await pull(reference, createMemoryStore(), { client });
      assertEquals(pulled.descriptor, descriptor);
    }
  }
  assertEquals(blobsOf(root), partsOf(kept));
});

/** An image that tools read: its layers are archives, of which the first is the same for all. */
function realImage(seed: number): Promise<Image> {
  const file = (path: string, size: number): TarStreamInput => ({
    type: "file",
    path,
    size,
    readable: ReadableStream.from([testBytes(size, seed)]),
  });
  return packImage(createMemoryStore(), {
    layers: [
      [{ type: "directory", path: "shared" } as const],
      [file(`own-${seed}`, 100_000)],
    ].map((entries) => ({
      archive: ReadableStream.from<TarStreamInput>(entries)
        .pipeThrough(new TarStream()),
    })),
  });
}

testIf(
  need("crane", "skopeo"),
  "ckit registry gc frees what a registry does not need while it is served, and crane and skopeo pull the rest",
  async () => {
    using temp = tempDir();
    await using served = await serve(temp.path);
    const { host, root } = served;
    const crane = (...args: string[]) =>
      runProgram(peer("crane") ?? program("crane")!, [
        args[0]!,
        "--insecure",
        ...args.slice(1),
      ]);
    const gc = async (...args: string[]) => {
      const { code, stdout, stderr } = await ckit(
        ["registry", "gc", ...args, root],
        { folder: temp.path },
      );
      assertEquals([code, stderr], [0, ""]);
      return stdout.trimEnd().split("\n");
    };
    using client = new RegistryClient();
    const images = await Promise.all([1, 2, 3, 4].map(realImage));
    const [tagged, listed, replaced, deleted] = images as [
      Image,
      Image,
      Image,
      Image,
    ];
    const signature = testImage({ seed: 5, subject: tagged.descriptor });
    await push(tagged, `${host}/app:1`, { client });
    await push(listed, `${host}/app:arm`, { client });
    await crane(
      ...["index", "append", "-m", `${host}/app:arm`],
      ...["-t", `${host}/app:all`],
    );
    await deleteTag(`${host}/app:arm`, { client });
    await push(signature, `${host}/app@${signature.descriptor.digest}`, {
      client,
    });
    await push(replaced, `${host}/app:latest`, { client });
    await push(tagged, `${host}/app:latest`, { client });
    await push(deleted, `${host}/old:1`, { client });
    await deleteManifest(`${host}/old@${deleted.descriptor.digest}`, {
      client,
    });
    const before = blobsOf(root);
    // A push may count on it.
    assertEquals(await gc(), ["0 manifests and 0 blobs removed, 0 B"]);
    age(root);
    const [index] = before.filter((digest) =>
      !partsOf([...images, signature]).includes(digest)
    );
    const check = async (kept: readonly Image[]) => {
      assertEquals(blobsOf(root), [...partsOf(kept), index!].toSorted());
      for (const tag of ["1", "latest", "all"]) {
        await crane("validate", "--remote", `${host}/app:${tag}`);
      }
      await Deno.mkdir(`${temp.path}/copy`);
      await runProgram(program("skopeo")!, [
        ...["copy", "--all", "--src-tls-verify=false"],
        ...[`docker://${host}/app:all`, `dir:${temp.path}/copy`],
      ]);
      await Deno.remove(`${temp.path}/copy`, { recursive: true });
    };
    const sizes = (digests: readonly string[]) =>
      digests.map((digest) =>
        `blob\t${digest}\t${
          Deno.statSync(`${root}/content/blobs/${digest.replace(":", "/")}`)
            .size
        }`
      ).toSorted();
    const untold = (lines: string[]) => lines.slice(0, -1).toSorted();
    const kept = [tagged, listed, signature];
    // The deleted one's layers: its manifest is gone.
    const first = before.filter((digest) =>
      !partsOf([...kept, replaced]).includes(digest) && digest !== index
    );
    const expected = sizes(first);
    assertEquals(untold(await gc("--dry-run")), expected);
    assertEquals(
      blobsOf(root),
      before.filter((digest) => digest !== deleted.descriptor.digest),
    );
    assertEquals(untold(await gc()), expected);
    await check([...kept, replaced]);
    age(root);
    const rest = partsOf([replaced]).filter((digest) =>
      !partsOf(kept).includes(digest)
    );
    const also = [
      ...sizes(rest),
      `manifest\tapp@${replaced.descriptor.digest}`,
    ];
    const dry = await gc("--untagged", "--dry-run");
    assertEquals(untold(dry), also);
    assertStringIncludes(
      dry.at(-1)!,
      "1 manifests and 3 blobs would be removed",
    );
    assertEquals(untold(await gc("--untagged")), also);
    await check(kept);
  },
);

Deno.test("ckit collects no garbage that a registry in its root needs, and none where there is no registry", async () => {
  using temp = tempDir();
  await using served = await serve(temp.path);
  const { host, root } = served;
  using client = new RegistryClient();
  const image = testImage();
  await push(image, `${host}/app:1`, { client });
  age(root);
  const folder = temp.path;
  const { code, stdout } = await ckit(
    ["--root", root, "content", "gc", "--now"],
    { folder },
  );
  assertEquals([code, stdout], [0, "0 removed, 0 B\n"]);
  await pull(`${host}/app:1`, createMemoryStore(), { client });
  await Deno.mkdir(`${root}/volumes`);
  for (
    const [path, message] of [
      [`${folder}/none`, "there is no registry in it"],
      [root, "has containers or volumes too"],
    ] as const
  ) {
    const { code, stderr } = await ckit(["registry", "gc", path], { folder });
    assert(code !== 0);
    assertStringIncludes(stderr, message);
  }
  await Deno.remove(`${root}/volumes`);
});

Deno.test("ckit registry gc leaves in the store what a name there stands for", async () => {
  using temp = tempDir();
  await using served = await serve(temp.path);
  const { host, root } = served;
  using client = new RegistryClient();
  const [named, other] = [1, 2].map((seed) => testImage({ seed })) as [
    Image,
    Image,
  ];
  for (const [tag, image] of Object.entries({ named, other })) {
    await push(image, `${host}/app:${tag}`, { client });
    await deleteTag(`${host}/app:${tag}`, { client });
  }
  using store = await openStore({ root });
  await store.images.create("named:1", named.descriptor);
  const { code, stdout } = await ckit(
    ["registry", "gc", "--untagged", "--now", root],
    { folder: temp.path },
  );
  assertEquals(code, 0);
  assertStringIncludes(stdout, "2 manifests and 3 blobs removed");
  assertEquals(blobsOf(root), partsOf([named]));
});
