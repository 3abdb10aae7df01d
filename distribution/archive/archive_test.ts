import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  digestBytes,
  DigestMismatchError,
  MediaType,
  parseManifest,
} from "@containerkit/oci";
import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
import { compress } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import { openImage } from "../open_image.ts";
import { packImage, packIndex } from "../pack/mod.ts";
import { createMemoryStore } from "../registry/create_memory_store.ts";
import {
  generateKey,
  keySigner,
  sign,
  VerificationError,
  verifier,
} from "../sign/mod.ts";
import {
  copyContent,
  exportArchive,
  importArchive,
  importLayout,
  openLayout,
  storeRepository,
} from "./mod.ts";

const NAME = "docker.io/library/app:1";
const LINUX = { os: "linux", architecture: "amd64" };
const encoder = new TextEncoder();

type Files = Record<
  string,
  Uint8Array | { symlink: string } | { link: string }
>;

function toEntry([path, content]: [string, Files[string]]): TarStreamInput {
  if (content instanceof Uint8Array) {
    return {
      type: "file",
      path,
      size: content.length,
      readable: new Blob([new Uint8Array(content)]).stream(),
    };
  }
  return "symlink" in content
    ? { type: "symlink", path, linkname: content.symlink }
    : { type: "link", path, linkname: content.link };
}

function tar(
  files: Files | [string, Files[string]][],
): ReadableStream<Uint8Array> {
  const list = Array.isArray(files) ? files : Object.entries(files);
  return ReadableStream.from(list.map(toEntry)).pipeThrough(new TarStream());
}

async function untar(
  archive: ReadableStream<Uint8Array>,
): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for await (
    const { path, readable, header } of archive.pipeThrough(new UntarStream())
  ) {
    if (header.typeflag !== "0") continue;
    files[path] = readable === undefined
      ? new Uint8Array()
      : await new Response(readable).bytes();
  }
  return files;
}

async function layerTar(text: string): Promise<Uint8Array> {
  return await new Response(tar({ file: encoder.encode(text) })).bytes();
}

async function packed() {
  const store = createMemoryStore();
  const image = await packImage(store, {
    platform: LINUX,
    layers: [{ archive: tar({ a: encoder.encode("1") }) }, {
      archive: tar({ b: encoder.encode("2") }),
    }],
  });
  return {
    store,
    image,
    named: { descriptor: image.descriptor, names: [NAME] },
  };
}

Deno.test("exportArchive() and importArchive() keep digests and names, in each format that has them", async () => {
  const { store, image, named } = await packed();
  for (const format of ["oci", "oci-docker"] as const) {
    const other = createMemoryStore();
    const images = await importArchive(
      exportArchive(store, [named], { format }),
      other,
    );
    assertEquals(images, [{ ...named, isReferrer: false }]);
    const opened = await openImage(other, image.descriptor, {
      platform: "linux/amd64",
    });
    assertEquals(opened.config, image.config);
  }
});

Deno.test("exportArchive() writes the same bytes every time", async () => {
  const { store, named } = await packed();
  for (const format of ["oci", "oci-docker", "docker"] as const) {
    const [a, b] = await Promise.all(
      [1, 2].map(() =>
        new Response(exportArchive(store, [named], { format })).bytes()
      ),
    );
    assertEquals(digestBytes(a!), digestBytes(b!));
  }
});

Deno.test("exportArchive() writes the classic docker archive, which importArchive() reads", async () => {
  const { store, image, named } = await packed();
  const files = await untar(
    exportArchive(store, [named], { format: "docker" }),
  );
  const [item] = JSON.parse(new TextDecoder().decode(files["manifest.json"]));
  assertEquals(item.RepoTags, ["app:1"]);
  assertEquals(
    item.Layers,
    image.layers.map(({ diffId }) => `${diffId.slice(7)}.tar`),
  );
  const other = createMemoryStore();
  const [found] = await importArchive(
    exportArchive(store, [named], { format: "docker" }),
    other,
  );
  assertEquals(found?.names, [NAME]);
  const opened = await openImage(other, found!.descriptor, {
    platform: "linux/amd64",
  });
  assertEquals(
    opened.layers.map(({ diffId }) => diffId),
    image.layers.map(({ diffId }) => diffId),
  );
  assertEquals(opened.layers.map(({ mediaType }) => mediaType), [
    MediaType.Layer,
    MediaType.Layer,
  ]);
});

Deno.test("exportArchive() proves what it writes", async () => {
  const { store, image, named } = await packed();
  const layer = image.layers[0]!;
  const bytes = await new Response(await store.open(layer.digest)).bytes();
  bytes[20]! ^= 1;
  const broken = {
    ...store,
    open: (digest: string) =>
      digest === layer.digest
        ? Promise.resolve(new Blob([bytes]).stream())
        : store.open(digest),
  };
  await assertRejects(
    () => new Response(exportArchive(broken, [named])).bytes(),
    DigestMismatchError,
  );
  await store.delete(layer.digest);
  await assertRejects(
    () => new Response(exportArchive(store, [named])).bytes(),
    Deno.errors.NotFound,
    layer.digest,
  );
});

Deno.test("exportArchive() leaves out what is not there, and platforms nobody wants", async () => {
  const store = createMemoryStore();
  const images = [];
  for (const architecture of ["amd64", "arm64", "s390x"]) {
    images.push(
      await packImage(store, {
        platform: { os: "linux", architecture },
        layers: [{ archive: tar({ a: encoder.encode(architecture) }) }],
      }),
    );
  }
  const index = await packIndex(store, { manifests: images });
  await store.delete(images[2]!.descriptor.digest);
  await assertRejects(
    () => new Response(exportArchive(store, [{ descriptor: index }])).bytes(),
    Deno.errors.NotFound,
  );
  const other = createMemoryStore();
  await importArchive(
    exportArchive(store, [{ descriptor: index }], { missing: "skip" }),
    other,
  );
  assert(await other.stat(images[1]!.layers[0]!.digest));
  const one = createMemoryStore();
  const options = { missing: "skip", platforms: ["linux/amd64"] } as const;
  const [found] = await importArchive(
    exportArchive(store, [{ descriptor: index }], options),
    one,
  );
  assertEquals(found?.descriptor.digest, index.digest);
  assertEquals(await one.stat(images[1]!.descriptor.digest), undefined);
  await assertRejects(
    () =>
      importArchive(
        exportArchive(store, [{ descriptor: index }], options),
        createMemoryStore(),
        { missing: "fail" },
      ),
    Deno.errors.NotFound,
  );
});

Deno.test("importArchive() takes signatures along, and asks them", async () => {
  const { store, image, named } = await packed();
  const { privateKey, publicKey } = generateKey("ed25519");
  const signature = await sign(image.descriptor, keySigner(privateKey));
  for (
    const layer of [...signature.layers, {
      ...signature.manifest.config,
      open: () => Promise.resolve(new Blob(["{}"]).stream()),
    }]
  ) {
    const other = await store.writer(layer.digest);
    for await (const chunk of await layer.open()) await other.write(chunk);
    await other.commit(layer.size, layer.digest);
  }
  const writer = await store.writer("signature");
  await writer.write(signature.raw.manifest);
  await writer.commit(signature.descriptor.size, signature.descriptor.digest);
  const registry = storeRepository(store, [image, signature]);
  const archive = () =>
    exportArchive(store, [named], {
      referrers: (descriptor) => registry.referrers(descriptor),
    });
  const admit = verifier({ authorities: [{ type: "key", key: publicKey }] });
  const images = await importArchive(archive(), createMemoryStore(), { admit });
  assertEquals(images.map(({ isReferrer }) => isReferrer), [false, true]);
  const other = verifier({
    authorities: [{ type: "key", key: generateKey("ed25519").publicKey }],
  });
  await assertRejects(
    () => importArchive(archive(), createMemoryStore(), { admit: other }),
    VerificationError,
  );
  await assertRejects(
    () =>
      importArchive(exportArchive(store, [named]), createMemoryStore(), {
        admit,
      }),
    VerificationError,
    "there are none",
  );
});

/** A store that counts, with what was written but not committed. */
function watched(store = createMemoryStore()) {
  const committed: string[] = [];
  const opened: string[] = [];
  return {
    committed,
    opened,
    store: {
      stat: store.stat,
      open: store.open,
      async writer(...given: Parameters<typeof store.writer>) {
        opened.push(given[1]?.descriptor?.digest ?? given[0]);
        const writer = await store.writer(...given);
        return {
          get offset() {
            return writer.offset;
          },
          write: writer.write,
          truncate: writer.truncate!,
          abort: writer.abort,
          async commit(size: number, digest: string) {
            await writer.commit(size, digest);
            committed.push(digest);
          },
        };
      },
    } satisfies BlobStore,
  };
}

Deno.test("importArchive() asks for admission before the first layer, and stores nothing of what is refused", async () => {
  const { store, image, named } = await packed();
  const refused = watched();
  await assertRejects(
    () =>
      importArchive(exportArchive(store, [named]), refused.store, {
        admit: () => Promise.reject(new RangeError("not this one")),
      }),
    RangeError,
    "not this one",
  );
  assertEquals(refused.opened, []);
  const taken = watched();
  let before: number | undefined;
  await importArchive(exportArchive(store, [named]), taken.store, {
    admit(found) {
      assertEquals(found.descriptor.digest, image.descriptor.digest);
      before = taken.opened.length;
      return Promise.resolve();
    },
  });
  assertEquals(before, 0);
  assertEquals(
    taken.committed.toSorted(),
    [image.descriptor, image.manifest.config, ...image.layers]
      .map(({ digest }) => digest).toSorted(),
  );
});

Deno.test("importArchive() holds back what comes before admission can be asked for, in any order of entries", async () => {
  const { store, image, named } = await packed();
  const files = Object.entries(await untar(exportArchive(store, [named])));
  const big = new Uint8Array(5 << 20);
  const stray = encoder.encode('{"stray":true}');
  const extra: [string, Uint8Array][] = [
    [`blobs/sha256/${digestBytes(big).slice(7)}`, big],
    [`blobs/sha256/${digestBytes(stray).slice(7)}`, stray],
  ];
  for (
    const list of [
      [...extra, ...files.toReversed()],
      [...files, ...extra],
      [...files.toReversed(), ...extra],
    ]
  ) {
    const refused = watched();
    await assertRejects(
      () =>
        importArchive(tar(list), refused.store, {
          admit: () => Promise.reject(new RangeError("not this one")),
        }),
      RangeError,
      "not this one",
    );
    assertEquals(refused.committed, []);
    const taken = watched();
    const [found] = await importArchive(tar(list), taken.store, {
      admit: () => Promise.resolve(),
    });
    assertEquals(found?.names, [NAME]);
    // What no admitted image is made of is dropped.
    assertEquals(taken.committed.length, 2 + image.layers.length);
  }
});

Deno.test("importArchive() admits docker archives by what they turn out to be", async () => {
  const files = await oldDockerArchive();
  const refused = watched();
  await assertRejects(
    () =>
      importArchive(tar(files), refused.store, {
        admit: () => Promise.reject(new RangeError("not this one")),
      }),
    RangeError,
    "not this one",
  );
  assertEquals(refused.committed, []);
  const taken = watched();
  const asked: string[] = [];
  const [image] = await importArchive(tar(files), taken.store, {
    admit({ reference }) {
      asked.push(reference);
      return Promise.resolve();
    },
  });
  assertEquals(asked, image?.names);
  // Two files, a config and a manifest.
  assertEquals(taken.committed.length, 4);
});

Deno.test("importArchive() goes on within a blob, and takes a layer's digest from its writer", async () => {
  const { store, image, named } = await packed();
  const bytes = await new Response(exportArchive(store, [named])).bytes();
  const { digest } = image.layers[0]!;
  const memory = createMemoryStore();
  const earlier = await memory.writer(`import-${digest}`);
  const layer = await new Response(await store.open(digest)).bytes();
  await earlier.write(layer.subarray(0, 40));
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
  assertEquals(asked, [digestBytes(files["aaa/layer.tar"] as Uint8Array)]);
});

/** An archive of `docker save` before version 25, whose second layer is a link to the first of another image. */
async function oldDockerArchive() {
  const [first, second] = await Promise.all([layerTar("1"), layerTar("2")]);
  const zstd = await new Response(
    compress(new Blob([new Uint8Array(second!)]).stream(), {
      compression: "zstd",
    }),
  ).bytes();
  const config = encoder.encode(JSON.stringify({
    ...LINUX,
    rootfs: {
      type: "layers",
      diff_ids: [
        digestBytes(first!),
        digestBytes(first!),
        digestBytes(second!),
      ],
    },
  }));
  const files: Files = {
    "aaa/layer.tar": first!,
    "aaa/VERSION": encoder.encode("1.0"),
    "aaa/json": encoder.encode("{}"),
    "bbb/layer.tar": { symlink: "../aaa/layer.tar" },
    "ccc/layer.tar": zstd,
    "config.json": config,
    "repositories": encoder.encode('{"app":{"1":"bbb"}}'),
    "manifest.json": encoder.encode(JSON.stringify([{
      Config: "config.json",
      RepoTags: ["app:1", "localhost:5000/app:1"],
      Layers: ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"],
    }])),
  };
  return files;
}

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

Deno.test("importArchive() goes on where an earlier one broke off", async () => {
  const { store, image, named } = await packed();
  const bytes = await new Response(exportArchive(store, [named])).bytes();
  const other = createMemoryStore();
  const cut = new Blob([bytes.subarray(0, bytes.length / 2)]).stream();
  await assertRejects(() => importArchive(cut, other));
  const [found] = await importArchive(new Blob([bytes]).stream(), other);
  assertEquals(found?.descriptor.digest, image.descriptor.digest);
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

Deno.test("openLayout() is a store that keeps names", async () => {
  const { store, image } = await packed();
  const path = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    await assertRejects(() => openLayout(path), Deno.errors.NotFound);
    const layout = await openLayout(path, { create: true });
    await copyContent(store, image.descriptor, { to: layout });
    await layout.add({ descriptor: image.descriptor, names: [NAME] });
    await layout.add({
      descriptor: image.descriptor,
      names: [NAME, "localhost/b:2"],
    });
    const again = await openLayout(path, { create: true });
    assertEquals(await again.list(), [{
      descriptor: image.descriptor,
      names: [NAME, "localhost/b:2"],
    }]);
    const opened = await openImage(again, image.descriptor, {
      platform: "linux/amd64",
    });
    assertEquals(opened.config, image.config);
    const part = await again.open(image.descriptor.digest, {
      offset: 2,
      length: 5,
    });
    assertEquals(
      await new Response(part).text(),
      new TextDecoder().decode(image.raw.manifest.subarray(2, 7)),
    );
    const writer = await again.writer("x");
    await writer.write(encoder.encode("x"));
    await assertRejects(
      () => writer.commit(1, digestBytes("y")),
      DigestMismatchError,
    );
    assertEquals(
      [...Deno.readDirSync(path)].filter(({ name }) => name.startsWith(".")),
      [],
    );
    assertEquals(await again.stat(digestBytes("y")), undefined);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("copyContent() never leaves an image without its parts", async () => {
  const { store, image } = await packed();
  const other = createMemoryStore();
  await store.delete(image.layers[1]!.digest);
  await assertRejects(
    () => copyContent(store, image.descriptor, { to: other }),
    Deno.errors.NotFound,
  );
  assertEquals(await other.stat(image.descriptor.digest), undefined);
  assert("config" in parseManifest(image.raw.manifest));
});

Deno.test("importLayout() asks for admission before it copies, and takes signatures along", async () => {
  const { store, image, named } = await packed();
  const { privateKey, publicKey } = generateKey("ecdsa-p256");
  const signature = await sign(image.descriptor, keySigner(privateKey));
  const path = await Deno.makeTempDir();
  const layout = await openLayout(path, { create: true });
  await copyContent(store, image.descriptor, { to: layout });
  await layout.add(named);
  const layers = new Map(
    signature.layers.map((layer) => [layer.digest, layer.open]),
  );
  const put = async (digest: string, body: ReadableStream<Uint8Array>) => {
    const bytes = await new Response(body).bytes();
    const writer = await layout.writer(digest, { descriptor: { digest } });
    await writer.write(bytes);
    await writer.commit(bytes.length, digest);
  };
  for (const [digest, open] of layers) await put(digest, await open());
  const { config } = signature.manifest;
  await put(config.digest, new Blob(["{}"]).stream());
  await put(
    signature.descriptor.digest,
    new Blob([new Uint8Array(signature.raw.manifest)]).stream(),
  );
  await layout.add({ descriptor: signature.descriptor });
  const to = watched();
  const key = generateKey("ecdsa-p256").publicKey;
  await assertRejects(
    () =>
      importLayout(layout, to.store, {
        admit: verifier({ authorities: [{ type: "key", key }] }),
      }),
    VerificationError,
  );
  assertEquals(to.opened, []);
  const images = await importLayout(layout, to.store, {
    admit: verifier({ authorities: [{ type: "key", key: publicKey }] }),
  });
  assertEquals(
    images.map(({ names, isReferrer }) => [names, isReferrer]),
    [[[NAME], false], [[], true]],
  );
  assert(to.committed.includes(image.layers[0]!.digest));
  await Deno.remove(path, { recursive: true });
});
