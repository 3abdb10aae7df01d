import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  describe,
  digestBytes,
  DigestMismatchError,
  MediaType,
  parseManifest,
} from "@containerkit/oci";
import { openImage } from "../open_image.ts";
import type { Found } from "../pull.ts";
import { convert, packIndex } from "../pack/mod.ts";
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
import {
  encoder,
  NAME,
  packed,
  tar,
  untar,
  watched,
} from "./_test_archives.ts";

Deno.test("openLayout() is a store that keeps names", async () => {
  const { store, image } = await packed();
  const path = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    await assertRejects(
      () => openLayout(path),
      Deno.errors.NotFound,
      `Cannot open image layout "${path}"`,
    );
    const layout = await openLayout(path, { create: true });
    await copyContent(store, image.descriptor, { to: layout });
    await layout.add({ descriptor: image.descriptor, names: [NAME] });
    await layout.add({
      descriptor: image.descriptor,
      names: [NAME, "localhost/b:2"],
    });
    await layout.add({ descriptor: image.descriptor });
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

Deno.test("openLayout() reads no device, and nothing larger than a document", async () => {
  const path = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    const layout = await openLayout(path, { create: true });
    const digest = digestBytes("x");
    const blob = `${path}/blobs/sha256/${digest.slice(7)}`;
    await Deno.symlink("/dev/null", blob);
    assertEquals(await layout.stat(digest), undefined);
    await assertRejects(
      () => layout.open(digest),
      Deno.errors.NotFound,
      "it is no file",
    );
    await Deno.remove(`${path}/index.json`);
    await Deno.symlink("/dev/null", `${path}/index.json`);
    await assertRejects(() => layout.list(), SyntaxError, "it is no file");
    await Deno.truncate(`${path}/oci-layout`, 1 << 20);
    await assertRejects(() => openLayout(path), RangeError, "larger than");
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("importArchive() and importLayout() pass over what a layout lists besides images", async () => {
  const { store, named } = await packed();
  const files = await untar(exportArchive(store, [named]));
  const index = JSON.parse(new TextDecoder().decode(files["index.json"]));
  const text = encoder.encode("<a/>");
  // As the specification's own example has it.
  index.manifests.unshift(describe("application/xml", text, {
    annotations: { "org.freedesktop.specifications.metainfo.version": "1.0" },
  }));
  files["index.json"] = encoder.encode(JSON.stringify(index));
  files[`blobs/sha256/${digestBytes(text).slice(7)}`] = text;
  const expected = { ...named, isReferrer: false };
  const admitted: string[] = [];
  const options = {
    async admit({ registry, descriptor, reference }: Found) {
      admitted.push(reference);
      assertEquals(
        await Array.fromAsync(registry.referrers(descriptor)),
        [],
      );
    },
  };
  for (const given of [{}, options]) {
    const to = createMemoryStore();
    assertEquals(await importArchive(tar(files), to, given), [expected]);
    await openImage(to, named.descriptor, { platform: "linux/amd64" });
  }
  const path = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    for (const [name, bytes] of Object.entries(files)) {
      await Deno.mkdir(`${path}/${name.slice(0, name.lastIndexOf("/") + 1)}`, {
        recursive: true,
      });
      await Deno.writeFile(`${path}/${name}`, bytes);
    }
    const layout = await openLayout(path);
    const listed = await layout.list();
    assertEquals(listed.length, 2);
    const { referrers } = storeRepository(layout, listed);
    assertEquals(await Array.fromAsync(referrers(named.descriptor)), []);
    const to = createMemoryStore();
    assertEquals(await importLayout(layout, to, options), [expected]);
    assertEquals(await to.stat(digestBytes(text)), undefined);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
  assertEquals(admitted, [NAME, NAME]);
  index.manifests[0].mediaType = MediaType.DockerSchema1;
  files["index.json"] = encoder.encode(JSON.stringify(index));
  await assertRejects(
    () => importArchive(tar(files), createMemoryStore()),
    SyntaxError,
  );
});

Deno.test("copyContent(), convert() and openImage() end when they are told to, though all is there", async () => {
  const { store, image: { descriptor } } = await packed();
  const signal = AbortSignal.abort(new Error("enough"));
  for (
    const call of [
      () => copyContent(store, descriptor, { to: store, signal }),
      () => convert(store, descriptor, { signal }),
      () => openImage(store, descriptor, { signal }),
    ]
  ) await assertRejects(call, Error, "enough");
  const controller = new AbortController();
  const told: string[] = [];
  await assertRejects(
    () =>
      copyContent(store, descriptor, {
        to: store,
        signal: controller.signal,
        onProgress({ digest }) {
          told.push(digest);
          controller.abort(new Error("enough"));
        },
      }),
    Error,
    "enough",
  );
  assertEquals(told.length, 1);
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

Deno.test("copyContent() walks through what stands in many places once", async () => {
  const { store, image } = await packed();
  let opened = 0;
  const counting = {
    ...store,
    open(...given: Parameters<typeof store.open>) {
      opened++;
      return store.open(...given);
    },
  };
  let top = image.descriptor;
  // A hundred entries each, seven deep: ten thousand billion ways down.
  for (let depth = 0; depth < 7; depth++) {
    top = await packIndex(store, { manifests: Array(100).fill(top) });
  }
  const other = createMemoryStore();
  await copyContent(counting, top, { to: other });
  // Each manifest is read to be walked through, and each blob to be copied.
  assertEquals(opened, 8 + 8 + 3);
  const { descriptor } = await convert(counting, top, { mediaTypes: "docker" });
  assertEquals(descriptor.mediaType, MediaType.DockerIndex);
});
