/**
 * Who may come in: what an import holds back, and whom it asks.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
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
  type Files,
  layerTar,
  NAME,
  oldDockerArchive,
  packed,
  tar,
  untar,
  watched,
} from "./_test_archives.ts";

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

Deno.test("importArchive() and importLayout() hand their signal to whoever admits", async () => {
  const { store, named } = await packed();
  const path = await Deno.makeTempDir();
  const layout = await openLayout(path, { create: true });
  await copyContent(store, named.descriptor, { to: layout });
  await layout.add(named);
  const { signal } = new AbortController();
  const given: (AbortSignal | undefined)[] = [];
  const options = {
    signal,
    admit: (found: { signal?: AbortSignal }) =>
      Promise.resolve(given.push(found.signal)),
  };
  const archive = exportArchive(store, [named]);
  await importArchive(archive, createMemoryStore(), options);
  await importLayout(layout, createMemoryStore(), options);
  assertEquals(given, [signal, signal]);
  await Deno.remove(path, { recursive: true });
});

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

Deno.test("importArchive() holds back as many layers as there are, and has no more than some open", async () => {
  const count = 600;
  const files: Files = {};
  const layers = await Promise.all(
    Array.from({ length: count }, (_, at) => layerTar(`${at}`)),
  );
  const config = encoder.encode(JSON.stringify({
    os: "linux",
    architecture: "amd64",
    rootfs: {
      type: "layers",
      diff_ids: layers.map((layer) => digestBytes(layer)),
    },
  }));
  layers.forEach((layer, at) => files[`${at}.tar`] = layer);
  files["config.json"] = config;
  files["manifest.json"] = encoder.encode(JSON.stringify([{
    Config: "config.json",
    RepoTags: ["app:1"],
    Layers: layers.map((_, at) => `${at}.tar`),
  }]));
  for (const isAdmitted of [true, false]) {
    const memory = createMemoryStore();
    let open = 0;
    let most = 0;
    let committed = 0;
    const store: BlobStore = {
      ...memory,
      async writer(ref, options) {
        const writer = await memory.writer(ref, options);
        most = Math.max(most, ++open);
        return {
          get offset() {
            return writer.offset;
          },
          write: writer.write,
          truncate: writer.truncate!,
          async abort() {
            await writer.abort();
            open--;
          },
          async commit(size, digest) {
            await writer.commit(size, digest);
            open--;
            committed++;
          },
        };
      },
    };
    const importing = importArchive(tar(files), store, {
      admit: () =>
        isAdmitted ? Promise.resolve() : Promise.reject(new RangeError("no")),
    });
    if (isAdmitted) await importing;
    else await assertRejects(() => importing, RangeError, "no");
    assertEquals(open, 0);
    assert(most <= 130, `${most}`);
    assertEquals(committed, isAdmitted ? count + 2 : 0);
  }
});
