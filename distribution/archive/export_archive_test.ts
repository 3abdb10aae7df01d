import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Descriptor,
  digestBytes,
  DigestMismatchError,
  MediaType,
} from "@containerkit/oci";
import { openImage } from "../open_image.ts";
import { packArtifact, packImage, packIndex } from "../pack/mod.ts";
import { createMemoryStore } from "../registry/create_memory_store.ts";
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

Deno.test("exportArchive() and copyContent() refuse an index that has none of the platforms", async () => {
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
  const platforms = ["linux/arm64", "linux/amd64"];
  await copyContent(store, descriptor, { to, platforms });
  assertEquals((await to.stat(descriptor.digest))?.size, descriptor.size);
});

Deno.test("exportArchive() and copyContent() refuse an image without an index that is for none of the platforms", async () => {
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
    await write(descriptor, format, ["linux/arm64", "linux/amd64"]);
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
