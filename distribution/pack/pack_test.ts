import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Descriptor,
  digestBytes,
  type ImageIndex,
  MediaType,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import {
  TarError,
  TarStream,
  type TarStreamInput,
  UntarStream,
} from "@containerkit/tar";
import { compress, readLayer } from "@containerkit/tar/layer";
import { packedBundle } from "../archive/_test_archives.ts";
import type { Image } from "../image.ts";
import { openImage } from "../open_image.ts";
import { listReferrers } from "../list_referrers.ts";
import { push } from "../push.ts";
import {
  createMemoryStore,
  type MemoryStore,
} from "../registry/create_memory_store.ts";
import { createRegistry } from "../registry/create_registry.ts";
import { resolve } from "../resolve.ts";
import {
  appendLayer,
  convert,
  flatten,
  packArtifact,
  packImage,
  packIndex,
  packLayer,
  rebase,
  setConfig,
  squash,
} from "./mod.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };

/** A file, a directory (by a slash at its end), a link (`to` with a type) by name. */
type Spec = Readonly<
  Record<string, string | { link: string } | { symlink: string }>
>;

function toEntry([path, what]: [string, Spec[string]]): TarStreamInput {
  if (path.endsWith("/")) return { type: "directory", path };
  if (typeof what !== "string") {
    return "link" in what
      ? { type: "link", path, linkname: what.link }
      : { type: "symlink", path, linkname: what.symlink };
  }
  const bytes = new TextEncoder().encode(what);
  return {
    type: "file",
    path,
    size: bytes.length,
    readable: new Blob([bytes]).stream(),
  };
}

function tar(spec: Spec): ReadableStream<Uint8Array> {
  return ReadableStream.from(Object.entries(spec).map(toEntry)).pipeThrough(
    new TarStream(),
  );
}

/** What a tar holds, in the form of a spec. */
async function list(
  layer: Image["layers"][number],
): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const { readable } = readLayer(await layer.open());
  for await (
    const { path, header, readable: body } of readable.pipeThrough(
      new UntarStream(),
    )
  ) {
    const text = body === undefined ? "" : await new Response(body).text();
    found[path] = header.typeflag === "1"
      ? { link: header.linkname }
      : header.typeflag === "2"
      ? { symlink: header.linkname }
      : text;
  }
  return found;
}

async function pack(...layers: Spec[]) {
  const store = createMemoryStore();
  const image = await packImage(store, {
    layers: layers.map((spec, index) => ({
      archive: tar(spec),
      history: { created_by: `step ${index}` },
    })),
    platform: PLATFORM,
    config: { Cmd: ["/bin/sh"] },
  });
  return { store, image };
}

Deno.test("packImage() gives the same bytes for the same parts", async () => {
  const spec = { "bin/": "", "bin/sh": "#!" };
  const [a, b] = [await pack(spec), await pack(spec)];
  assertEquals(a.image.descriptor, b.image.descriptor);
  const again = await openImage(a.store, a.image.descriptor, {
    platform: "linux/amd64",
  });
  assertEquals(again.config, a.image.config);
  assertEquals(await list(again.layers[0]!), spec);
});

Deno.test("packImage() writes each compression and each family of media types", async () => {
  for (const mediaTypes of ["oci", "docker"] as const) {
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const store = createMemoryStore();
      const image = await packImage(store, {
        layers: [{ archive: () => tar({ a: "1" }) }],
        platform: PLATFORM,
      }, { compression, mediaTypes });
      const [layer] = image.layers;
      const { readable, digests } = readLayer(await layer!.open());
      await readable.pipeTo(new WritableStream());
      const { digest, size, diffId } = await digests;
      assertEquals({
        digest,
        size,
        diffId,
        compression: (await digests).compression,
      }, {
        digest: layer!.digest,
        size: layer!.size,
        diffId: layer!.diffId,
        compression,
      });
      assert(image.manifest.mediaType!.includes(mediaTypes));
      assert(layer!.mediaType.includes(mediaTypes));
    }
  }
});

Deno.test("packImage() refuses a layer that is nothing or two things", async () => {
  const store = createMemoryStore();
  await assertRejects(
    () => packImage(store, { layers: [{}] }),
    TypeError,
    "either an archive or a layer",
  );
});

Deno.test("packImage() describes the layers of other images by its own media types", async () => {
  const store = createMemoryStore();
  const layers = [{ archive: () => tar({ a: "1" }) }];
  const docker = await packImage(store, { layers }, { mediaTypes: "docker" });
  const [layer] = docker.layers;
  const { manifest } = await packImage(store, { layers: [{ layer: layer! }] });
  assertEquals(manifest.layers[0]?.mediaType, MediaType.LayerGzip);
  assertEquals(manifest.layers[0]?.digest, layer?.digest);
  const foreign = { ...layer!, mediaType: MediaType.ForeignLayerZstd };
  await assertRejects(
    () =>
      packImage(store, { layers: [{ layer: foreign }] }, {
        mediaTypes: "docker",
      }),
    TypeError,
    "docker has no media type",
  );
});

Deno.test("packLayer() gives the same layer of a tar that is compressed", async () => {
  const store = createMemoryStore();
  const { digest, diffId } = await packLayer(store, tar({ a: "1" }));
  for (const compression of ["gzip", "zstd"] as const) {
    const layer = await packLayer(
      store,
      compress(tar({ a: "1" }), { compression }),
    );
    assertEquals([layer.digest, layer.diffId], [digest, diffId]);
    assertEquals(await list(layer), { a: "1" });
  }
  const broken = compress(tar({ a: "1" }), { compression: "gzip" });
  const bytes = await new Response(broken).bytes();
  await assertRejects(
    () => packLayer(store, ReadableStream.from([bytes.slice(0, 40)])),
    TarError,
    "compression is damaged",
  );
  await assertRejects(
    () =>
      packLayer(
        store,
        ReadableStream.from([Uint8Array.fromHex("fd377a585a0000")]),
      ),
    TarError,
    "compressed by xz",
  );
});

Deno.test("packLayer() makes no layer of a stream that was read before, and convert() one of no bytes", async () => {
  const blobs: string[] = [];
  const memory = createMemoryStore();
  const store: MemoryStore = {
    ...memory,
    async writer(ref, options) {
      const writer = await memory.writer(ref, options);
      return {
        ...writer,
        offset: 0,
        async commit(size, digest) {
          blobs.push(digest);
          await writer.commit(size, digest);
        },
      };
    },
  };
  const archive = tar({ a: "1" });
  const image = await packImage(store, { layers: [{ archive }] });
  blobs.length = 0;
  for (
    const call of [
      () => packLayer(store, archive),
      () => appendLayer(store, image, { archive }),
      () => packImage(store, { layers: [{ archive }] }),
    ]
  ) await assertRejects(call, TypeError, "the archive has no bytes");
  assertEquals(blobs, []);
  const none = new Uint8Array();
  const diffId = digestBytes(none);
  await store.writer("none").then((writer) => writer.commit(0, diffId));
  const layer = {
    mediaType: MediaType.Layer,
    digest: diffId,
    size: 0,
    diffId,
    open: () => store.open(diffId),
  };
  const { descriptor } = await packImage(store, { layers: [{ layer }] });
  const converted = await convert(store, descriptor, { compression: "gzip" });
  const { layers } = await openImage(store, converted.descriptor);
  assertEquals(layers[0]?.diffId, diffId);
});

Deno.test("packLayer() and appendLayer() refuse what is no tar, by its first bytes", async () => {
  const store = createMemoryStore();
  const image = await packImage(store, { layers: [] });
  const text = (text: string) => new TextEncoder().encode(text);
  const zip = new Uint8Array(2000);
  zip.set(text("PK\x03\x04"));
  // As that of ext4 does.
  const disk = new Uint8Array(70_000);
  disk[1080] = 0x53;
  const damaged = await new Response(tar({ a: "1" })).bytes();
  damaged[0]! ^= 1;
  for (const bytes of [zip, disk, damaged, text("{}"), new Uint8Array(10)]) {
    const pieces = () =>
      ReadableStream.from(
        [0, 300, 600].map((at, index) =>
          bytes.slice(at, index === 2 ? undefined : at + 300)
        ),
      );
    for (
      const open of [
        pieces,
        () => ReadableStream.from([bytes]),
        () => compress(pieces(), { compression: "zstd" }),
      ]
    ) {
      for (
        const call of [
          () => packLayer(store, open(), { compression: "none" }),
          () => appendLayer(store, image, { archive: open }),
        ]
      ) await assertRejects(call, TarError, "it is no tar");
    }
  }
  for (const bytes of [new Uint8Array(512), new Uint8Array(10_240)]) {
    await packLayer(store, ReadableStream.from([bytes]));
  }
  const long = tar({ ["a".repeat(300)]: "1" });
  const { digest } = await packLayer(store, long);
  assert(await store.stat(digest));
});

Deno.test("packImage() and appendLayer() let go of the archives that they do not read", async () => {
  const store = createMemoryStore();
  const image = await packImage(store, { layers: [] });
  const artifact = await packArtifact(store, { artifactType: "text/plain" });
  const [layer] = (await pack({ a: "1" })).image.layers;
  for (
    const call of [
      (archive: ReadableStream<Uint8Array>) =>
        packImage(store, { layers: [{}, { archive }] }),
      (archive: ReadableStream<Uint8Array>) =>
        packImage(store, {
          layers: [{ archive: ReadableStream.from([new Uint8Array(1)]) }, {
            archive,
          }],
        }),
      (archive: ReadableStream<Uint8Array>) =>
        appendLayer(store, artifact, { archive }),
      (archive: ReadableStream<Uint8Array>) =>
        appendLayer(store, image, { archive, layer: layer! }),
    ]
  ) {
    let isCancelled = false;
    const archive = new ReadableStream<Uint8Array>({
      cancel() {
        isCancelled = true;
      },
    });
    await assertRejects(() => call(archive));
    assert(isCancelled);
  }
});

Deno.test("packLayer() leaves no blob behind when it is aborted", async () => {
  const store = createMemoryStore();
  const controller = new AbortController();
  const archive = new ReadableStream<Uint8Array>({
    pull(stream) {
      stream.enqueue(new Uint8Array(512));
      controller.abort();
    },
  });
  await assertRejects(
    () => packLayer(store, archive, { signal: controller.signal }),
    DOMException,
  );
});

Deno.test("packArtifact() follows the guidelines of the image specification", async () => {
  const { store, image } = await pack({ a: "1" });
  const empty = await packArtifact(store, {
    artifactType: "application/vnd.example",
    subject: image.descriptor,
  });
  assertEquals(empty.manifest.config.mediaType, MediaType.Empty);
  assertEquals(empty.manifest.layers.map(({ mediaType }) => mediaType), [
    MediaType.Empty,
  ]);
  assertEquals(empty.manifest.subject, image.descriptor);
  const content = new TextEncoder().encode("{}");
  const full = await packArtifact(store, {
    artifactType: "application/vnd.example",
    files: [{
      mediaType: "application/json",
      content,
      annotations: { "org.opencontainers.image.title": "a" },
    }],
  });
  assertEquals(await new Response(await full.layers[0]!.open()).text(), "{}");
  await assertRejects(
    () => packArtifact(store, { artifactType: "nonsense" }),
    TypeError,
  );
});

Deno.test("packArtifact() with a subject is pushed to its reference without taking its tag", async () => {
  const { store, image } = await pack({ a: "1" });
  await using registry = createRegistry({ store: createMemoryStore() });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const reference = `127.0.0.1:${server.addr.port}/app:1`;
  await push(image, reference);
  const artifact = await packArtifact(store, {
    artifactType: "application/vnd.example",
    subject: image.descriptor,
  });
  await push(artifact, reference);
  await push(artifact, `${reference}@${image.descriptor.digest}`);
  assertEquals((await resolve(reference)).digest, image.descriptor.digest);
  const referrers = await Array.fromAsync(listReferrers(reference));
  assertEquals(referrers.map(({ digest }) => digest), [
    artifact.descriptor.digest,
  ]);
});

Deno.test("packIndex() takes platforms from configs and refuses what is not there", async () => {
  const { store, image } = await pack({ a: "1" });
  const descriptor = await packIndex(store, { manifests: [image] });
  const index = parseManifest(
    await new Response(await store.open(descriptor.digest)).bytes(),
  );
  assert("manifests" in index);
  assertEquals(index.manifests[0]?.platform, PLATFORM);
  const missing: Descriptor = {
    ...image.descriptor,
    digest: `sha256:${"0".repeat(64)}`,
  };
  await assertRejects(
    () => packIndex(store, { manifests: [missing] }),
    Deno.errors.NotFound,
  );
});

Deno.test("packIndex() refuses a second image for a platform that nothing tells from the first", async () => {
  const { store, image } = await pack({ a: "1" });
  const { descriptor } = await packImage(store, {
    layers: [],
    platform: { os: "linux", architecture: "arm64" },
  });
  const arm = { os: "linux", architecture: "arm64", variant: "v8" };
  const unknown = { os: "unknown", architecture: "unknown" };
  const plain = { ...image.descriptor, platform: PLATFORM };
  const same = { ...descriptor, platform: PLATFORM };
  const annotations = { "io.github.containers.compression.zstd": "true" };
  for (
    const manifests of [
      [image, image],
      [image, same],
      [plain, { ...same, annotations: {} }],
      [{ ...plain, platform: { ...arm, variant: "v8" } }, {
        ...same,
        platform: { os: "linux", architecture: "arm64" },
      }],
      [{ ...plain, annotations }, { ...same, annotations }],
    ]
  ) {
    await assertRejects(
      () => packIndex(store, { manifests }),
      TypeError,
      "told apart",
    );
    await packIndex(store, { manifests, artifactType: "text/plain" });
  }
  for (
    const manifests of [
      [plain, { ...same, annotations }],
      [plain, { ...plain, platform: arm }],
      [plain, { ...same, platform: { ...PLATFORM, variant: "v2" } }],
      [plain, { ...same, platform: { ...PLATFORM, "os.version": "10.0.1" } }],
      [plain, { ...same, artifactType: "text/plain" }],
      [{ ...plain, platform: unknown }, { ...same, platform: unknown }],
      [image.descriptor, descriptor],
    ]
  ) await packIndex(store, { manifests });
});

Deno.test("appendLayer() adds a layer and its step", async () => {
  const { store, image } = await pack({ a: "1" });
  const changed = await appendLayer(store, image, {
    archive: tar({ b: "2" }),
    history: { created_by: "more" },
  });
  assertEquals(changed.layers.length, 2);
  assertEquals(changed.layers[0]?.digest, image.layers[0]?.digest);
  assertEquals(
    changed.config.rootfs.diff_ids,
    changed.layers.map(({ diffId }) => diffId),
  );
  assertEquals(changed.config.history?.at(-1), { created_by: "more" });
});

Deno.test("appendLayer() and setConfig() tell of their step where nothing tells of the layers below", async () => {
  const store = createMemoryStore();
  const image = await packImage(store, {
    layers: [{ archive: tar({ a: "1" }) }, { archive: tar({ b: "2" }) }],
  });
  assertEquals(image.config.history, undefined);
  const archive = () => tar({ c: "3" });
  const silent = await appendLayer(store, image, { archive });
  assertEquals(silent.config.history, undefined);
  const appended = await appendLayer(store, image, {
    archive,
    history: { created_by: "RUN" },
  });
  const set = await setConfig(store, image, { history: { created_by: "ENV" } });
  assertEquals(appended.config.history, [{}, {}, { created_by: "RUN" }]);
  assertEquals(set.config.history, [
    {},
    {},
    { created_by: "ENV", empty_layer: true },
  ]);
});

Deno.test("appendLayer() annotates the layer, and leaves the image's annotations", async () => {
  const store = createMemoryStore();
  const annotations = { of: "the image" };
  const image = await packImage(store, { layers: [], annotations });
  const changed = await appendLayer(store, image, {
    archive: tar({ b: "2" }),
    annotations: { of: "the layer" },
  });
  assertEquals(changed.manifest.annotations, annotations);
  assertEquals(changed.layers[0]?.annotations, { of: "the layer" });
});

Deno.test("setConfig() replaces fields and keeps the others", async () => {
  const { store, image } = await pack({ a: "1" });
  const changed = await setConfig(store, image, {
    config: { Cmd: undefined, Entrypoint: ["/a"] },
    history: { created_by: "set" },
  });
  assertEquals(changed.config.config, { Entrypoint: ["/a"] });
  assertEquals(
    changed.layers.map(({ digest }) => digest),
    image.layers.map(({ digest }) => digest),
  );
  assertEquals(changed.config.history?.at(-1), {
    created_by: "set",
    empty_layer: true,
  });
});

Deno.test("setConfig() begins the history of an image without layers", async () => {
  const store = createMemoryStore();
  const empty = await packImage(store, { layers: [] });
  const set = await setConfig(store, empty, {
    history: { created_by: "ENV A=1" },
  });
  const { config } = await appendLayer(store, set, {
    archive: tar({ a: "1" }),
    history: { created_by: "COPY" },
  });
  assertEquals(config.history, [
    { created_by: "ENV A=1", empty_layer: true },
    { created_by: "COPY" },
  ]);
});

Deno.test("setConfig() and appendLayer() keep what an image is about, and refuse artifacts", async () => {
  const { store, image } = await pack({ a: "1" });
  const subject = image.descriptor;
  const about = await packImage(store, { layers: [], subject });
  const changed = await setConfig(store, about, { annotations: { a: "b" } });
  assertEquals(changed.manifest.subject, subject);
  const artifact = await packArtifact(store, {
    artifactType: "text/plain",
    subject,
  });
  for (
    const change of [
      () => setConfig(store, artifact, { annotations: { a: "b" } }),
      () => appendLayer(store, artifact, { archive: tar({ b: "2" }) }),
    ]
  ) {
    await assertRejects(change, TypeError, "it is an artifact, not an image");
  }
});

Deno.test("appendLayer(), setConfig(), rebase() and squash() refuse, and convert() leaves, an artifact whose config has the type of an image's", async () => {
  const { store, bundle } = await packedBundle();
  const archive = () => tar({ b: "2" });
  const none = await packImage(store, { layers: [] });
  for (
    const change of [
      () => appendLayer(store, bundle, { archive }),
      () => setConfig(store, bundle, { config: {} }),
      () => squash(store, bundle),
      () =>
        rebase(store, bundle, {
          from: { ...none, config: bundle.config },
          to: { ...none, config: bundle.config },
        }),
    ]
  ) await assertRejects(change, TypeError, "it is an artifact, not an image");
  const { changes } = await convert(store, bundle.descriptor, {
    compression: "zstd",
    mediaTypes: "docker",
  });
  assertEquals(changes, []);
  const index = await packIndex(store, { manifests: [bundle] });
  const { manifests } = parseManifest(
    await new Response(await store.open(index.digest)).bytes(),
  ) as ImageIndex;
  assertEquals(manifests[0]?.platform, undefined);
});

Deno.test("convert() keeps nothing that was said of the old bytes", async () => {
  const store = createMemoryStore();
  const annotations = {
    "containerd.io/snapshot/stargz/toc.digest": "sha256:1",
    "io.containers.estargz.uncompressed-size": "1",
    "io.github.containers.zstd-chunked.manifest-checksum": "sha256:2",
    "org.opencontainers.image.title": "kept",
  };
  const { descriptor, raw, layers: before } = await packImage(store, {
    layers: [{ archive: tar({ a: "1" }), annotations }],
    platform: PLATFORM,
  });
  const index = await packIndex(store, {
    manifests: [{
      ...descriptor,
      platform: PLATFORM,
      annotations: { a: "b" },
      data: raw.manifest.toBase64(),
      urls: ["https://example.com/manifest"],
    }],
  });
  const same = await convert(store, index, { compression: "gzip" });
  assertEquals(same.descriptor, index);
  assertEquals(before[0]?.annotations, annotations);
  const converted = await convert(store, index, { compression: "zstd" });
  const { manifests } = parseManifest(
    await new Response(await store.open(converted.descriptor.digest)).bytes(),
  ) as ImageIndex;
  const { digest, size, ...entry } = manifests[0]!;
  assert(digest !== descriptor.digest && size > 0);
  assertEquals(entry, {
    mediaType: MediaType.Manifest,
    platform: PLATFORM,
    annotations: { a: "b" },
  });
  const { layers } = await openImage(store, converted.descriptor, {
    platform: PLATFORM,
  });
  assertEquals(layers[0]?.annotations, {
    "org.opencontainers.image.title": "kept",
  });
});

Deno.test("rebase() takes the version of the operating system from the new base", async () => {
  const store = createMemoryStore();
  const windows = (version: string, features?: string[]) => ({
    os: "windows",
    architecture: "amd64",
    "os.version": version,
    ...(features && { "os.features": features }),
  });
  const base = (platform: Platform, text: string) =>
    packImage(store, { layers: [{ archive: tar({ text }) }], platform });
  const from = await base(windows("10.0.1", ["win32k"]), "1");
  const to = await base(windows("10.0.2"), "2");
  const image = await appendLayer(store, from, { archive: tar({ a: "1" }) });
  const { config } = await rebase(store, image, { from, to });
  assertEquals(config["os.version"], "10.0.2");
  assertEquals(config["os.features"], undefined);
});

Deno.test("convert() gives an image without layers other media types", async () => {
  const store = createMemoryStore();
  const { descriptor } = await packImage(store, { layers: [] });
  const converted = await convert(store, descriptor, { mediaTypes: "docker" });
  assertEquals(converted.descriptor.mediaType, MediaType.DockerManifest);
});

Deno.test("rebase() exchanges the base and refuses one that is none", async () => {
  const { store, image: from } = await pack({ base: "old" });
  const image = await appendLayer(store, from, {
    archive: tar({ app: "1" }),
    history: { created_by: "app" },
  });
  const to = await packImage(store, {
    layers: [{
      archive: tar({ base: "new" }),
      history: { created_by: "new base" },
    }, {
      archive: tar({ more: "1" }),
      history: { created_by: "more base" },
    }],
    platform: PLATFORM,
  });
  const changed = await rebase(store, image, { from, to });
  assertEquals(changed.layers.map(({ diffId }) => diffId), [
    ...to.layers.map(({ diffId }) => diffId),
    image.layers[1]!.diffId,
  ]);
  assertEquals(changed.config.history?.map(({ created_by }) => created_by), [
    "new base",
    "more base",
    "app",
  ]);
  assertEquals(changed.config.config?.Cmd, ["/bin/sh"]);
  await assertRejects(
    () => rebase(store, image, { from: to, to: from }),
    TypeError,
    "do not begin with",
  );
  const arm = await packImage(store, {
    layers: [],
    platform: { os: "linux", architecture: "arm64" },
  });
  await assertRejects(
    () => rebase(store, image, { from, to: arm }),
    TypeError,
    "linux/arm64",
  );
});

Deno.test("squash() and flatten() merge as the layers lie on one another", async () => {
  const { store, image } = await pack(
    {
      "d/": "",
      "d/kept": "1",
      "d/gone": "2",
      "d/changed": "3",
      "old/": "",
      "old/x": "4",
      "x/": "",
      "x/y": "5",
    },
    {
      "d/.wh.gone": "",
      "d/changed": "33",
      "old/.wh..wh..opq": "",
      "old/z": "6",
      "x": { symlink: "d" },
    },
    { "d/gone": "again" },
  );
  const flat = await squash(store, image);
  assertEquals((await flatten(store, image)).descriptor, flat.descriptor);
  assertEquals(flat.layers.length, 1);
  assertEquals(await list(flat.layers[0]!), {
    "d/": "",
    "d/kept": "1",
    "d/changed": "33",
    "d/gone": "again",
    "old/": "",
    "old/z": "6",
    "x": { symlink: "d" },
  });
});

Deno.test("flatten() keeps the config, tells its history anew, and refuses what has no layers", async () => {
  const { store, image } = await pack({ a: "1" }, { ".wh.a": "", b: "2" });
  const history = { created_by: "flattened" };
  const flat = await flatten(store, image, { history, compression: "zstd" });
  const { rootfs: _rootfs, history: _history, ...kept } = image.config;
  const { rootfs, history: told, ...rest } = flat.config;
  assertEquals(rest, kept);
  assertEquals(rootfs.diff_ids, [flat.layers[0]!.diffId]);
  assertEquals(told, [history]);
  assertEquals(flat.layers[0]!.mediaType, MediaType.LayerZstd);
  assertEquals(await list(flat.layers[0]!), { b: "2" });
  const empty = await packImage(store, { layers: [] });
  await assertRejects(() => flatten(store, empty), RangeError, "it has 0");
});

Deno.test("squash() keeps what hard links hold when a layer replaces their target", async () => {
  const { store, image } = await pack(
    { a: "content", b: { link: "a" }, c: { link: "b" } },
    { a: "other" },
  );
  assertEquals(await list((await squash(store, image)).layers[0]!), {
    b: "content",
    c: { link: "b" },
    a: "other",
  });
});

Deno.test("squash() of the upper layers keeps the whiteouts that lower ones need", async () => {
  const { store, image } = await pack(
    { "d/": "", "d/low": "1", "e/": "", "e/f": "1", "g/": "" },
    { "d/.wh.low": "", "e/.wh..wh..opq": "", "d/new": "2", ".wh.g": "" },
    { "d/.wh.new": "", "g/": "", "g/h": "3" },
  );
  const squashed = await squash(store, image, { from: 1 });
  assertEquals(squashed.layers.length, 2);
  assertEquals(squashed.layers[0]?.digest, image.layers[0]?.digest);
  assertEquals(await list(squashed.layers[1]!), {
    "g/": "",
    "g/h": "3",
    "d/.wh.low": "",
    "d/.wh.new": "",
    "e/.wh..wh..opq": "",
    "g/.wh..wh..opq": "",
  });
});

Deno.test("squash() refuses a layer that is not what it says", async () => {
  const { store: other, image: fine } = await pack({ a: "1" });
  const lie = {
    ...fine,
    layers: fine.layers.map((layer) => ({
      ...layer,
      diffId: `sha256:${"0".repeat(64)}`,
    })),
  };
  await assertRejects(() => squash(other, lie), Error, "expected sha256:000");
});

Deno.test("convert() changes compression and media types, there and back", async () => {
  const { store, image } = await pack({ a: "1".repeat(5000) }, { b: "2" });
  const zstd = await convert(store, image.descriptor, {
    compression: "zstd",
    mediaTypes: "docker",
  });
  assertEquals(zstd.changes.length, 3);
  assertEquals(
    zstd.changes.at(-1)?.reason,
    "media types of docker and other layers",
  );
  const opened = await openImage(store, zstd.descriptor, {
    platform: "linux/amd64",
  });
  assertEquals(opened.layers.map(({ mediaType }) => mediaType), [
    MediaType.DockerLayerZstd,
    MediaType.DockerLayerZstd,
  ]);
  assertEquals(opened.manifest.config.digest, image.manifest.config.digest);
  const back = await convert(store, zstd.descriptor, {
    compression: "gzip",
    mediaTypes: "oci",
  });
  assertEquals(back.descriptor, image.descriptor);
  assertEquals((await convert(store, image.descriptor)).changes, []);
});

Deno.test("convert() follows indexes, and attestations that name what became another", async () => {
  const { store, image } = await pack({ a: "1" });
  const attestation = await packArtifact(store, {
    artifactType: "application/vnd.in-toto+json",
  });
  const index = await packIndex(store, {
    manifests: [image, {
      ...attestation.descriptor,
      platform: { os: "unknown", architecture: "unknown" },
      annotations: { "vnd.docker.reference.digest": image.descriptor.digest },
    }],
  });
  const { descriptor, changes } = await convert(store, index, {
    compression: "none",
  });
  const document = parseManifest(
    await new Response(await store.open(descriptor.digest)).bytes(),
  );
  assert("manifests" in document);
  assertEquals(
    document.manifests[1]?.annotations?.["vnd.docker.reference.digest"],
    document.manifests[0]?.digest,
  );
  assertEquals(changes.map(({ reason }) => reason), [
    "compressed by none instead of gzip",
    "other layers",
    "other manifests",
  ]);
  await store.delete(image.descriptor.digest);
  await assertRejects(
    () => convert(store, index, { compression: "none" }),
    Deno.errors.NotFound,
  );
  const skipped = await convert(store, index, {
    compression: "none",
    missing: "skip",
  });
  assertEquals(skipped.changes[0]?.to, undefined);
});
