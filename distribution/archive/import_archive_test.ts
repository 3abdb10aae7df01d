import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import {
  describe,
  type Descriptor,
  digestBytes,
  DigestMismatchError,
  MediaType,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import { openImage } from "../open_image.ts";
import { createMemoryStore } from "../registry/create_memory_store.ts";
import { exportArchive, importArchive } from "./mod.ts";
import {
  blobDockerArchive,
  encoder,
  type Files,
  layerTar,
  NAME,
  oldDockerArchive,
  packed,
  tar,
  untar,
  zstdTar,
} from "./_test_archives.ts";

Deno.test("importArchive() goes on within a blob, and takes a layer's digest from its writer", async () => {
  const { store, image, named } = await packed();
  const bytes = await new Response(exportArchive(store, [named])).bytes();
  const { digest } = image.layers[0]!;
  const memory = createMemoryStore();
  const earlier = await memory.writer(`import-${digest}`);
  const layer = await new Response(await store.open(digest)).bytes();
  await earlier.write(layer.subarray(0, 40));
  await earlier.abort();
  let written = 0;
  await importArchive(new Blob([bytes]).stream(), {
    ...memory,
    async writer(ref, options) {
      const writer = await memory.writer(ref, options);
      if (options?.descriptor?.digest !== digest) return writer;
      assertEquals(writer.offset, 40);
      return {
        ...writer,
        get offset() {
          return writer.offset;
        },
        write(chunk) {
          written += chunk.length;
          return writer.write(chunk);
        },
      };
    },
  });
  assertEquals(written, layer.length - 40);

  const files = await oldDockerArchive();
  const asked: string[] = [];
  const other = createMemoryStore();
  await importArchive(tar(files), {
    ...other,
    async writer(ref, options) {
      const writer = await other.writer(ref, options);
      const chunks: Uint8Array[] = [];
      return {
        ...writer,
        write(chunk) {
          chunks.push(chunk.slice());
          return writer.write(chunk);
        },
        async digest() {
          const actual = digestBytes(
            await new Blob(chunks as BlobPart[]).bytes(),
          );
          asked.push(actual);
          return actual;
        },
      };
    },
  });
  assertEquals(
    asked,
    ["aaa/layer.tar", "ccc/layer.tar"].map((path) =>
      digestBytes(files[path] as Uint8Array)
    ),
  );
});

Deno.test("importArchive() reads old docker archives with links, in any order, and labels compression by its bytes", async () => {
  const files = await oldDockerArchive();
  for (
    const list of [Object.entries(files), Object.entries(files).toReversed()]
  ) {
    const store = createMemoryStore();
    const [image, ...more] = await importArchive(tar(list), store);
    assertEquals(more, []);
    assertEquals(image?.names, [NAME, "localhost:5000/app:1"]);
    const opened = await openImage(store, image!.descriptor, {
      platform: "linux/amd64",
    });
    assertEquals(opened.layers.map(({ mediaType }) => mediaType), [
      MediaType.Layer,
      MediaType.Layer,
      MediaType.LayerZstd,
    ]);
  }
});

Deno.test("importArchive() refuses archives that lie or lead out of themselves", async () => {
  const files = await oldDockerArchive();
  const refuse = async (
    changed: Files | [string, Files[string]][],
    why: string,
  ) => {
    const error = await assertRejects(
      () => importArchive(tar(changed), createMemoryStore()),
      Error,
    );
    assert(error.message.includes(why), error.message);
  };
  const manifest = (item: unknown) => ({
    ...files,
    "manifest.json": encoder.encode(JSON.stringify(item)),
  });
  const { "manifest.json": _manifest, ...without } = files;
  await refuse(without, "neither");
  await refuse({ ...files, "../x": encoder.encode("") }, "leads out");
  await refuse(
    { ...files, "bbb/layer.tar": { symlink: "../../etc/passwd" } },
    "leads out",
  );
  await refuse(
    { ...files, "bbb/layer.tar": { symlink: "/etc/passwd" } },
    "is missing",
  );
  await refuse(
    { ...files, "bbb/layer.tar": { symlink: "layer.tar" } },
    "leads nowhere",
  );
  await refuse([...Object.entries(files), [
    "config.json",
    encoder.encode("{}"),
  ]], "twice");
  await refuse(
    { ...files, "ccc/layer.tar": await layerTar("3") },
    "expected sha256:",
  );
  await refuse(manifest({}), "not a list");
  await refuse(manifest([null]), "lacks its config");
  await refuse(
    manifest([{ Config: "config.json", Layers: [] }]),
    "has 3 layers",
  );
  await refuse(
    manifest([{ Config: "../config.json", Layers: [] }]),
    "leads out",
  );
  const digest = "0".repeat(64);
  await refuse(
    { ...files, [`blobs/sha256/${digest}`]: encoder.encode("x") },
    `expected sha256:${digest}`,
  );
  await refuse({
    "index.json": encoder.encode('{"schemaVersion":2,"layers":[]}'),
    "oci-layout": encoder.encode('{"imageLayoutVersion":"1.0.0"}'),
  }, "manifest");
  await refuse({
    "index.json": encoder.encode('{"schemaVersion":2,"manifests":[]}'),
    "oci-layout": encoder.encode('{"imageLayoutVersion":"2.0.0"}'),
  }, "not known");
});

Deno.test("importArchive() refuses a manifest that says another size of a blob, also of one that is there", async () => {
  const { store, image, named } = await packed();
  const lie = (part: Descriptor) => ({ ...part, size: part.size + 1 });
  const { config, layers } = image.manifest;
  for (
    const wrong of [
      { layers: [lie(layers[0]!), layers[1]!] },
      { layers: [...layers, lie(layers[0]!)] },
      { config: lie(config) },
    ]
  ) {
    const manifest = encoder.encode(
      JSON.stringify({ ...image.manifest, ...wrong }),
    );
    const descriptor = describe(MediaType.Manifest, manifest);
    const files = await untar(exportArchive(store, [named]));
    files[`blobs/sha256/${descriptor.digest.slice(7)}`] = manifest;
    files["index.json"] = encoder.encode(
      JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
    );
    for (const options of [{}, { admit: () => Promise.resolve() }]) {
      for (const to of [createMemoryStore(), store]) {
        await assertRejects(
          () => importArchive(tar(files), to, options),
          DigestMismatchError,
          "bytes",
        );
      }
    }
  }
});

Deno.test("importArchive() goes on where an earlier one broke off", async () => {
  const { store, image, named } = await packed();
  const bytes = await new Response(exportArchive(store, [named])).bytes();
  const other = createMemoryStore();
  const cut = new Blob([bytes.subarray(0, bytes.length / 2)]).stream();
  await assertRejects(() => importArchive(cut, other));
  const [found] = await importArchive(new Blob([bytes]).stream(), other);
  assertEquals(found?.descriptor.digest, image.descriptor.digest);
});

/** A store in which one writer at a time has a ref: others wait, or are refused. */
function lockingStore(onWait: () => void) {
  const memory = createMemoryStore();
  const held = new Map<string, Promise<void>>();
  const store: BlobStore = {
    ...memory,
    async writer(ref, options = {}) {
      for (let other = held.get(ref); other; other = held.get(ref)) {
        if (!options.wait) throw new Error(`"${ref}" is locked`);
        onWait();
        await other;
      }
      const writer = await memory.writer(ref, options);
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(ref, promise);
      const close = () => {
        held.delete(ref);
        resolve();
      };
      return {
        get offset() {
          return writer.offset;
        },
        write: (chunk) => writer.write(chunk),
        commit: (size, digest) => writer.commit(size, digest).finally(close),
        abort: () => writer.abort().finally(close),
      };
    },
  };
  return { memory, store };
}

Deno.test("importArchive() waits for another import of the same layer, whether that succeeds or not", async () => {
  const { store: from, image, named } = await packed();
  const bytes = await new Response(exportArchive(from, [named])).bytes();
  const { digest } = image.layers[0]!;
  for (const isCut of [false, true]) {
    const isWaiting = Promise.withResolvers<void>();
    const { memory, store } = lockingStore(isWaiting.resolve);
    const writer = await store.writer(`import-${digest}`);
    const importing = importArchive(new Blob([bytes]).stream(), store);
    await Promise.race([importing, isWaiting.promise]);
    const layer = await new Response(await from.open(digest)).bytes();
    await writer.write(isCut ? layer.subarray(0, 10) : layer);
    if (isCut) await writer.abort();
    else await writer.commit(layer.length, digest);
    const [found] = await importing;
    assertEquals(found?.descriptor.digest, image.descriptor.digest);
    assertEquals(await memory.stat(digest), { size: layer.length });
  }
});

Deno.test("importArchive() of a damaged archive says so beside another one, which goes right if its own is right", async () => {
  const { store, image, named } = await packed();
  const bytes = await new Response(exportArchive(store, [named])).bytes();
  const { digest } = image.layers[0]!;
  const layer = await new Response(await store.open(digest)).bytes();
  const damaged = bytes.slice();
  const at = bytes.findIndex((_, at) =>
    layer.every((byte, index) => bytes[at + index] === byte)
  );
  damaged[at]! ^= 1;
  const to = createMemoryStore();
  const [first, second, third] = await Promise.allSettled(
    [damaged, damaged, bytes].map((archive) =>
      importArchive(new Blob([archive]).stream(), to)
    ),
  );
  for (const result of [first, second]) {
    assert(result?.status === "rejected");
    assertInstanceOf(result.reason, DigestMismatchError);
  }
  assertEquals(third?.status, "fulfilled");
});

Deno.test("importArchive() ends when it is told to", async () => {
  const { store, named } = await packed();
  const controller = new AbortController();
  await assertRejects(
    () =>
      importArchive(exportArchive(store, [named]), createMemoryStore(), {
        signal: controller.signal,
        onProgress: () => controller.abort(),
      }),
    DOMException,
  );
});

Deno.test("importArchive() of an archive that stands still ends when it is told to, and lets go of it", async () => {
  const { store, named } = await packed();
  const bytes = await new Response(exportArchive(store, [named])).bytes();
  const reason = new Error("enough");
  for (const length of [0, 600, bytes.length - 2000]) {
    const controller = new AbortController();
    let cancelled: unknown;
    const archive = new ReadableStream<Uint8Array>({
      start: (stream) => stream.enqueue(bytes.subarray(0, length)),
      pull: () => controller.abort(reason),
      cancel: (reason) => void (cancelled = reason),
    });
    const { signal } = controller;
    const error = await assertRejects(() =>
      importArchive(archive, createMemoryStore(), { signal })
    );
    assertEquals([error, cancelled], [reason, reason]);
  }
});

Deno.test("importArchive() makes names of bare tags only when told of which repository", async () => {
  const { store, image } = await packed();
  const files = await untar(
    exportArchive(store, [{ descriptor: image.descriptor, names: [NAME] }], {
      format: "oci",
    }),
  );
  const index = JSON.parse(new TextDecoder().decode(files["index.json"]));
  index.manifests[0].annotations = { "org.opencontainers.image.ref.name": "1" };
  const changed = {
    ...files,
    "index.json": encoder.encode(JSON.stringify(index)),
  };
  assertEquals(
    (await importArchive(tar(changed), createMemoryStore()))[0]?.names,
    [],
  );
  const named = await importArchive(tar(changed), createMemoryStore(), {
    repository: "localhost/app",
  });
  assertEquals(named[0]?.names, ["localhost/app:1"]);
});

Deno.test("importArchive() finds a config that is named by its digest, as crane does", async () => {
  const { "config.json": config, "manifest.json": _manifest, ...files } =
    await oldDockerArchive();
  const path = digestBytes(config as Uint8Array);
  const changed = {
    ...files,
    [path]: config!,
    "manifest.json": encoder.encode(JSON.stringify([{
      Config: path,
      RepoTags: ["app:1"],
      Layers: ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"],
    }])),
  };
  for (const options of [{}, { admit: () => Promise.resolve() }]) {
    const store = createMemoryStore();
    const [image] = await importArchive(tar(changed), store, options);
    assertEquals(image?.names, [NAME]);
    assertEquals(await store.stat(path), {
      size: (config as Uint8Array).length,
    });
  }
});

Deno.test("importArchive() reads docker archives whose files are blobs, without an image layout around them", async () => {
  const files = await blobDockerArchive();
  for (
    const list of [Object.entries(files), Object.entries(files).toReversed()]
  ) {
    for (const admit of [undefined, () => Promise.resolve()]) {
      const store = createMemoryStore();
      const options = admit === undefined ? {} : { admit };
      // What is there already is told apart as well.
      for (let round = 0; round < 2; round++) {
        const [image] = await importArchive(tar(list), store, options);
        assertEquals(image?.names, [NAME]);
        const opened = await openImage(store, image!.descriptor, {
          platform: "linux/amd64",
        });
        assertEquals(opened.layers.map(({ mediaType }) => mediaType), [
          MediaType.Layer,
          MediaType.LayerZstd,
        ]);
      }
    }
  }
});

Deno.test("importArchive() refuses a layer that is a blob, but not the one that the config means", async () => {
  for (const layer of [await layerTar("other"), await zstdTar("other")]) {
    const files = await blobDockerArchive([layer]);
    for (const admit of [undefined, () => Promise.resolve()]) {
      await assertRejects(
        () =>
          importArchive(
            tar(files),
            createMemoryStore(),
            admit === undefined ? {} : { admit },
          ),
        DigestMismatchError,
        "Cannot read layer",
      );
    }
  }
});
