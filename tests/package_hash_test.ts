/**
 * How often an import hashes what it reads: each byte once, whoever does it.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openStore } from "@containerkit/content";
import {
  exportArchive,
  importArchive,
} from "@containerkit/distribution/archive";
import { packImage, packLayer } from "@containerkit/distribution/pack";
import { createMemoryStore } from "@containerkit/distribution/registry";
import { digestBytes } from "@containerkit/oci";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { compress } from "@containerkit/tar/layer";
import { createHash } from "node:crypto";
import { testBytes } from "../distribution/_test_image.ts";
import { tempDir, until } from "./mod.ts";

/** Documents and names are hashed as well. */
const SLACK = 20_000;

/** Counts the bytes that are hashed meanwhile. */
async function countHashed(work: () => Promise<unknown>): Promise<number> {
  const { prototype } = createHash("sha256").constructor as unknown as {
    prototype: { update(data: unknown, ...rest: unknown[]): unknown };
  };
  const { update } = prototype;
  let count = 0;
  prototype.update = function (data, ...rest) {
    if (ArrayBuffer.isView(data)) count += data.byteLength;
    return update.call(this, data, ...rest);
  };
  try {
    await work();
  } finally {
    prototype.update = update;
  }
  return count;
}

async function tar(
  files: Readonly<Record<string, Uint8Array>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const inputs = Object.entries(files).map(([path, bytes]): TarStreamInput => ({
    type: "file",
    path,
    size: bytes.length,
    readable: new Blob([new Uint8Array(bytes)]).stream(),
  }));
  const stream = ReadableStream.from(inputs).pipeThrough(new TarStream());
  return await new Response(stream).bytes();
}

/** Imports into a content store, asking somebody or nobody, and compares what was hashed, without what is small. */
async function check(
  archive: Uint8Array<ArrayBuffer>,
  expected: number,
): Promise<void> {
  for (const options of [{}, { admit: () => Promise.resolve() }]) {
    await using temp = tempDir();
    using store = await openStore({ root: temp.path });
    const count = await countHashed(() =>
      importArchive(new Blob([archive]).stream(), store, options)
    );
    assert(count >= expected, `${count} of ${expected} bytes were hashed`);
    assertEquals(Math.floor((count - expected) / SLACK), 0);
  }
}

Deno.test("importArchive() hashes each byte of an image layout once", async () => {
  const store = createMemoryStore();
  const { descriptor, layers } = await packImage(store, {
    layers: await Promise.all([1, 2].map(async (seed) => ({
      archive: new Blob([await tar({ file: testBytes(500_000, seed) })])
        .stream(),
    }))),
  });
  const archive = exportArchive(store, [{ descriptor }]);
  await check(
    await new Response(archive).bytes(),
    layers.reduce((sum, { size }) => sum + size, 0),
  );
});

Deno.test("importArchive() hashes each byte of a docker archive once as stored, and once decompressed", async () => {
  const plain = await tar({ a: testBytes(500_000, 1) });
  const inner = await tar({ b: testBytes(500_000, 2) });
  const gzip = await new Response(
    compress(new Blob([inner]).stream(), { compression: "gzip" }),
  ).bytes();
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value));
  const config = encode({
    os: "linux",
    architecture: "amd64",
    rootfs: {
      type: "layers",
      diff_ids: [digestBytes(plain), digestBytes(inner)],
    },
  });
  const blob = (bytes: Uint8Array) =>
    `blobs/sha256/${digestBytes(bytes).slice(7)}`;
  for (
    const [first, second] of [
      ["a.tar", "b.tar"],
      [blob(plain), blob(gzip)],
    ] as const
  ) {
    const archive = await tar({
      [first]: plain,
      [second]: gzip,
      "config.json": config,
      "manifest.json": encode([{
        Config: "config.json",
        RepoTags: ["app:1"],
        Layers: [first, second],
      }]),
    });
    await check(archive, plain.length + gzip.length + inner.length);
  }
});

Deno.test("packLayer() and importArchive() that are called off leave no byte in the store", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const bytes = await tar({ file: testBytes(3_000_000) });
  const archive = await tar({ "aaa/layer.tar": bytes });
  const written = async () =>
    (await store.ingests.list()).filter(({ offset }) => offset > 0);
  // All but the end, and no more once some of it is written.
  const cut = (bytes: Uint8Array, controller: AbortController) => {
    let isFirst = true;
    return new ReadableStream<Uint8Array>({
      async pull(stream) {
        if (isFirst) stream.enqueue(bytes.slice(0, -4096));
        else {
          await until(
            "that some is written",
            async () => (await written()).length > 0,
          );
          controller.abort(new Error("called off"));
        }
        isFirst = false;
      },
    });
  };
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const controller = new AbortController();
    const { signal } = controller;
    await assertRejects(
      () => packLayer(store, cut(bytes, controller), { compression, signal }),
      Error,
      "called off",
    );
  }
  const controller = new AbortController();
  const { signal } = controller;
  await assertRejects(
    () => importArchive(cut(archive, controller), store, { signal }),
    Error,
    "called off",
  );
  assertEquals(await written(), []);
});
