import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Descriptor,
  digestBytes,
  DigestMismatchError,
  MediaType,
} from "@containerkit/oci";
import {
  type BlobStore,
  copy,
  type Image,
  openImage,
  openStoreRepository,
} from "../mod.ts";
import { packArtifact, packImage, packIndex } from "../pack/mod.ts";
import { createMemoryStore, createRegistry } from "../registry/mod.ts";
import {
  type ArchiveEvent,
  copyContent,
  exportArchive,
  type ExportOptions,
  importArchive,
  importLayout,
  openLayout,
} from "./mod.ts";
import {
  encoder,
  NAME,
  packed,
  packedBundle,
  tar,
  untar,
} from "./_test_archives.ts";

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

Deno.test("exportArchive() writes an image without layers for docker", async () => {
  const store = createMemoryStore();
  const platform = { os: "linux", architecture: "amd64" };
  const { descriptor } = await packImage(store, { platform, layers: [] });
  const images = [{ descriptor, names: [NAME] }];
  const archive = exportArchive(store, images, { format: "docker" });
  const [image] = await importArchive(archive, createMemoryStore());
  assertEquals(image?.names, [NAME]);
});

Deno.test("exportArchive() takes no artifact for an image of docker, whatever its layers are", async () => {
  const { store, bundle: { descriptor } } = await packedBundle();
  const images = [{ descriptor, names: [NAME] }];
  const files = await untar(exportArchive(store, images));
  assertEquals(new TextDecoder().decode(files["manifest.json"]), "[]");
  await assertRejects(
    () => untar(exportArchive(store, images, { format: "docker" })),
    TypeError,
    "there is no image for a container",
  );
});

Deno.test("exportArchive() gives docker's archives tags only, and a whole tag for each name that has one", async () => {
  const { store, image: { descriptor } } = await packed();
  const { digest } = descriptor;
  const names = [
    `docker.io/library/app@${digest}`,
    `localhost:5000/app@sha512:${"0".repeat(128)}`,
    `docker.io/library/app:1@${digest}`,
    "docker.io/team/app",
    "localhost:5000/team/app:2",
  ];
  for (const format of ["docker", "oci-docker"] as const) {
    const files = await untar(
      exportArchive(store, [{ descriptor, names }], { format }),
    );
    const [item] = JSON.parse(new TextDecoder().decode(files["manifest.json"]));
    assertEquals(item.RepoTags, [
      "app:1",
      "team/app:latest",
      "localhost:5000/team/app:2",
    ]);
  }
});

Deno.test("exportArchive(), importArchive() and importLayout() tell of each blob once", async () => {
  const { store, image, named } = await packed();
  const path = await Deno.makeTempDir();
  const layout = await openLayout(path, { create: true });
  const index = await packIndex(store, { manifests: [image] });
  await copyContent(store, index, { to: layout });
  await layout.add({ descriptor: index });
  await layout.add({ descriptor: image.descriptor });
  let told: string[] = [];
  const onProgress = ({ digest }: ArchiveEvent) => void told.push(digest);
  const other = createMemoryStore();
  for (const format of ["oci", "oci-docker", "docker"] as const) {
    const options = { format, onProgress };
    await importArchive(exportArchive(store, [named], options), other);
    assertEquals(new Set(told).size, told.length, format);
    told = [];
  }
  await importLayout(layout, createMemoryStore(), { onProgress });
  assertEquals(new Set(told).size, told.length);
  assert(told.includes(image.layers[0]!.digest));
  await Deno.remove(path, { recursive: true });
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

Deno.test("exportArchive() lets go of a blob that stands still when it is cancelled", async () => {
  const { store, image, named } = await packed();
  const layer = image.layers[0]!;
  const begun = Promise.withResolvers<void>();
  let isEnded = false;
  const slow = {
    ...store,
    open: (digest: string, { signal }: { signal?: AbortSignal } = {}) => {
      if (digest !== layer.digest) return store.open(digest);
      begun.resolve();
      const stalled = new ReadableStream<Uint8Array>({
        start: (controller) =>
          signal?.addEventListener("abort", () => {
            isEnded = true;
            controller.error(signal.reason);
          }),
      });
      return Promise.resolve(stalled);
    },
  };
  const reader = exportArchive(slow, [named]).getReader();
  const read = (async () => {
    while (!(await reader.read()).done);
  })();
  await begun.promise;
  await reader.cancel(new Error("enough"));
  await read;
  assert(isEnded);
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

Deno.test("exportArchive() leaves out whatever an index lists that is not there, but no part of an image", async () => {
  const { store, image } = await packed();
  const [lower] = image.layers;
  const { mediaType, digest, size } = lower!;
  const index = await packIndex(store, {
    manifests: [{ mediaType, digest, size }, {
      ...image.descriptor,
      mediaType: "application/vnd.example",
    }],
  });
  await store.delete(digest);
  const options = { missing: "skip" } as const;
  const images = [{ descriptor: index }];
  const archive = () =>
    new Response(exportArchive(store, images, options)).bytes();
  await archive();
  // As an image it needs that layer, which was passed over before.
  images.push({ descriptor: image.descriptor });
  await assertRejects(archive, Deno.errors.NotFound, digest);
  const both = await packIndex(store, {
    manifests: [index, image.descriptor],
  });
  await assertRejects(
    () => copyContent(store, both, { to: createMemoryStore(), ...options }),
    Deno.errors.NotFound,
    digest,
  );
});

Deno.test("exportArchive() and copyContent() refuse an index that lacks one of the platforms, as copy() does", async () => {
  const store = createMemoryStore();
  const image = await packImage(store, {
    platform: { os: "linux", architecture: "amd64" },
    layers: [{ archive: tar({ a: encoder.encode("1") }) }],
  });
  const descriptor = await packIndex(store, { manifests: [image] });
  for (const format of ["oci", "oci-docker"] as const) {
    const options = { format, platforms: ["linux/arm64"] };
    await assertRejects(
      () =>
        new Response(exportArchive(store, [{ descriptor }], options)).bytes(),
      Deno.errors.NotFound,
      "no image for linux/arm64",
    );
  }
  const to = createMemoryStore();
  await assertRejects(
    () => copyContent(store, descriptor, { to, platforms: ["linux/arm64"] }),
    Deno.errors.NotFound,
    "no image for linux/arm64",
  );
  assertEquals(await to.stat(descriptor.digest), undefined);
  const platforms = ["linux/amd64", "linux/arm64"];
  await assertRejects(
    () => copyContent(store, descriptor, { to, platforms }),
    Deno.errors.NotFound,
    "no image for linux/arm64",
  );
  // It would run there, but is not what was asked for.
  await assertRejects(
    () => copyContent(store, descriptor, { to, platforms: ["linux/amd64/v3"] }),
    Deno.errors.NotFound,
    "no image for linux/amd64/v3",
  );
  await copyContent(store, descriptor, { to, platforms: ["linux/x86_64"] });
  assertEquals((await to.stat(descriptor.digest))?.size, descriptor.size);
});

Deno.test("exportArchive(), copyContent() and copy() take the same of an index for platforms", async () => {
  const store = createMemoryStore();
  const packFor = async (architecture: string) =>
    await packImage(store, {
      platform: { os: "linux", architecture },
      layers: [{ archive: tar({ a: encoder.encode(architecture) }) }],
    });
  const [amd64, arm64] = [await packFor("amd64"), await packFor("arm64")];
  // Its config says what it is for.
  const { descriptor: s390x } = await packFor("s390x");
  const attest = async (image: Image) => ({
    ...(await packArtifact(store, {
      artifactType: "application/vnd.in-toto+json",
      files: [{ mediaType: "text/plain", content: image.raw.manifest }],
    })).descriptor,
    platform: { os: "unknown", architecture: "unknown" },
    annotations: { "vnd.docker.reference.digest": image.descriptor.digest },
  });
  const attestations = [await attest(amd64), await attest(arm64)];
  const platform = { os: "linux", architecture: "amd64" };
  const other = {
    ...amd64.layers[0]!,
    mediaType: "application/vnd.example",
    digest: arm64.layers[0]!.digest,
    size: arm64.layers[0]!.size,
    platform,
  };
  const index = await packIndex(store, {
    manifests: [other, amd64, arm64, s390x, ...attestations],
  });
  const all = [amd64.descriptor, arm64.descriptor, s390x, ...attestations];
  const kept = async (in_: Pick<BlobStore, "stat">) => {
    const found = await Promise.all(
      all.map(async ({ digest }) => await in_.stat(digest) !== undefined),
    );
    assert(await in_.stat(amd64.layers[0]!.digest));
    assertEquals(await in_.stat(arm64.layers[0]!.digest), undefined);
    return found;
  };
  const expected = [true, false, true, true, false];
  const platforms = ["linux/s390x", "linux/amd64"];
  const to = createMemoryStore();
  await copyContent(store, index, { to, platforms });
  assertEquals(await kept(to), expected);
  const imported = createMemoryStore();
  const images = [{ descriptor: index }];
  await importArchive(exportArchive(store, images, { platforms }), imported);
  assertEquals(await kept(imported), expected);
  const copied = createMemoryStore();
  await using registry = createRegistry({ store: copied });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const source = {
    repository: openStoreRepository(store),
    descriptor: index,
  };
  await copy(source, `127.0.0.1:${server.addr.port}/app:1`, { platforms });
  assertEquals(await kept(copied), expected);
  // A pull of one platform leaves what was attested in the registry.
  for (const { digest } of attestations) await store.delete(digest);
  await copyContent(store, index, { to: createMemoryStore(), platforms });
});

Deno.test("exportArchive() takes platforms of the images only, not of what goes along", async () => {
  const { store, image } = await packed();
  const { descriptor: attached } = await packArtifact(store, {
    artifactType: "application/vnd.example",
  });
  const descriptor = await packIndex(store, {
    manifests: [attached],
    subject: image.descriptor,
  });
  const archive = exportArchive(store, [{ descriptor: image.descriptor }], {
    platforms: ["linux/amd64"],
    referrers: ({ digest }) =>
      digest === image.descriptor.digest ? [descriptor] : [],
  });
  const to = createMemoryStore();
  await importArchive(archive, to);
  assert(await to.stat(attached.digest));
});

Deno.test("exportArchive() and copyContent() refuse an image without an index that is not for all of the platforms", async () => {
  const store = createMemoryStore();
  const { descriptor } = await packImage(store, {
    platform: { os: "linux", architecture: "amd64" },
    layers: [{ archive: tar({ a: encoder.encode("1") }) }],
  });
  const artifact = await packArtifact(store, {
    artifactType: "application/vnd.example.note",
    subject: descriptor,
  });
  const write = (
    one: Descriptor,
    format: ExportOptions["format"],
    platforms: string[],
  ) => {
    const archive = exportArchive(store, [{ descriptor: one }], {
      format: format!,
      platforms,
    });
    return new Response(archive).bytes();
  };
  const to = createMemoryStore();
  const why = "it is for linux/amd64, not linux/arm64";
  for (const format of ["oci", "oci-docker", "docker"] as const) {
    await assertRejects(
      () => write(descriptor, format, ["linux/arm64"]),
      Deno.errors.NotFound,
      why,
    );
    await assertRejects(
      () => write(descriptor, format, ["linux/amd64", "linux/arm64"]),
      Deno.errors.NotFound,
      why,
    );
    await write(descriptor, format, ["linux/amd64"]);
    // What is no image is for no platform.
    if (format !== "docker") {
      await write(artifact.descriptor, format, ["linux/arm64"]);
    }
  }
  await assertRejects(
    () => copyContent(store, descriptor, { to, platforms: ["linux/arm64"] }),
    Deno.errors.NotFound,
    why,
  );
  assertEquals(await to.stat(descriptor.digest), undefined);
});
