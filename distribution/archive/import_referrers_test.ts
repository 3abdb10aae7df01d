/**
 * Whom an import asks about: saying that one is a referrer is not enough.
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  describe,
  type Descriptor,
  digestBytes,
  EMPTY_DESCRIPTOR,
  MediaType,
} from "@containerkit/oci";
import { toReferrer } from "../_put_manifest.ts";
import { encodeJson, storeBytes } from "../_store.ts";
import { packImage, packIndex } from "../pack/mod.ts";
import type { createMemoryStore } from "../registry/create_memory_store.ts";
import type { Found } from "../pull.ts";
import {
  copyContent,
  exportArchive,
  importArchive,
  importLayout,
  type NamedDescriptor,
  openLayout,
  storeRepository,
} from "./mod.ts";
import { encoder, layerTar, NAME, packed, watched } from "./_test_archives.ts";

const EVIL = "docker.io/library/alpine:3";

function cosignTag({ digest }: { digest: string }, kind = "sig"): string {
  return `docker.io/library/app:${digest.replace(":", "-")}.${kind}`;
}

/** A good image in a store, and what else may lie beside it. */
async function beside() {
  const { store, image } = await packed();
  const put = async (mediaType: string, fields: Record<string, unknown>) => {
    const bytes = encodeJson({ schemaVersion: 2, mediaType, ...fields });
    const descriptor = describe(mediaType, bytes);
    await storeBytes(store, bytes, { descriptor });
    return descriptor;
  };
  await storeBytes(store, encoder.encode("{}"), {
    descriptor: EMPTY_DESCRIPTOR,
  });
  let count = 0;
  return {
    store,
    image: image.descriptor,
    /** Something that says it is about another one. */
    manifest: (subject?: Descriptor) =>
      put(MediaType.Manifest, {
        config: EMPTY_DESCRIPTOR,
        layers: [],
        annotations: { count: `${count++}` },
        ...(subject === undefined ? {} : { subject }),
      }),
    /** An image that runs, with a subject as it likes. */
    async runnable(subject?: Descriptor) {
      const layer = await layerTar(`evil ${count++}`);
      const evil = await packImage(store, {
        layers: [{ archive: new Blob([new Uint8Array(layer)]).stream() }],
      });
      if (subject === undefined) return evil.descriptor;
      const { config, layers } = evil.manifest;
      return await put(MediaType.Manifest, { config, layers, subject });
    },
  };
}

/** Imports the images from an archive and from a layout; gives what was asked about, and what came in as a referrer. */
async function importBoth(
  from: ReturnType<typeof createMemoryStore>,
  images: readonly NamedDescriptor[],
  check: (kind: string, importing: {
    readonly run: (
      to: ReturnType<typeof watched>["store"],
      admit: (found: Found) => Promise<unknown>,
    ) => ReturnType<typeof importArchive>;
  }) => Promise<void>,
): Promise<void> {
  await check("archive", {
    run: (to, admit) =>
      importArchive(exportArchive(from, images, { format: "oci" }), to, {
        admit,
      }),
  });
  const path = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    const layout = await openLayout(path, { create: true });
    for (const image of images) {
      await copyContent(from, image.descriptor, { to: layout });
      await layout.add(image);
    }
    await check("layout", {
      run: (to, admit) => importLayout(layout, to, { admit }),
    });
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

type Beside = Awaited<ReturnType<typeof beside>>;

const ATTACKS: Record<
  string,
  (parts: Beside) => Promise<{ evil: Descriptor; all: NamedDescriptor[] }>
> = {
  async "an image whose subject is nowhere"({ runnable, image }) {
    const evil = await runnable({ ...image, digest: digestBytes("nothing") });
    return { evil, all: [{ descriptor: evil, names: [EVIL] }] };
  },
  async "a nameless image whose subject is nowhere"({ runnable, image }) {
    const evil = await runnable({ ...image, digest: digestBytes("nothing") });
    return { evil, all: [{ descriptor: evil }] };
  },
  async "an image with a tag of cosign beside its name"({ runnable, image }) {
    const evil = await runnable();
    return {
      evil,
      all: [
        { descriptor: image, names: [NAME] },
        { descriptor: evil, names: [EVIL, cosignTag(image)] },
      ],
    };
  },
  async "an image under a tag of cosign that means nothing"({ runnable }) {
    const evil = await runnable();
    const digest = digestBytes("nothing");
    return {
      evil,
      all: [{ descriptor: evil, names: [cosignTag({ digest })] }],
    };
  },
  async "an image under a tag of cosign that means itself"({ runnable }) {
    const evil = await runnable();
    return { evil, all: [{ descriptor: evil, names: [cosignTag(evil)] }] };
  },
  async "a named image whose subject is a good one"({ runnable, image }) {
    const evil = await runnable(image);
    return {
      evil,
      all: [
        { descriptor: image, names: [NAME] },
        { descriptor: evil, names: [EVIL] },
      ],
    };
  },
  async "two images that speak of each other"({ runnable }) {
    const other = await runnable();
    const evil = await runnable(other);
    return {
      evil,
      all: [
        { descriptor: evil },
        { descriptor: other, names: [cosignTag(evil)] },
      ],
    };
  },
  async "an image that speaks of a good one, and of what is nowhere"(
    { runnable, image },
  ) {
    const evil = await runnable(image);
    const digest = digestBytes("nothing");
    return {
      evil,
      all: [
        { descriptor: image, names: [NAME] },
        { descriptor: evil, names: [cosignTag({ digest })] },
      ],
    };
  },
};

for (const [what, prepare] of Object.entries(ATTACKS)) {
  Deno.test(`importArchive() and importLayout() ask about ${what}`, async () => {
    const parts = await beside();
    const { evil, all } = await prepare(parts);
    await importBoth(parts.store, all, async (kind, { run }) => {
      const { store, committed } = watched();
      await assertRejects(
        () =>
          run(
            store,
            ({ descriptor }) =>
              descriptor.digest === evil.digest
                ? Promise.reject(new RangeError("not this one"))
                : Promise.resolve(),
          ),
        RangeError,
        "not this one",
        kind,
      );
      assertEquals(committed, [], kind);
    });
  });
}

Deno.test("importArchive() and importLayout() ask once about an image with its signatures, referrers, and their referrers", async () => {
  const { store, image, manifest } = await beside();
  const index = await packIndex(store, { manifests: [image] });
  const notation = await manifest(index);
  const ofPart = await manifest(image);
  const sbom = await manifest(index);
  const ofSbom = await manifest(sbom);
  const all = [
    { descriptor: ofSbom },
    { descriptor: await manifest(), names: [cosignTag(index)] },
    { descriptor: await manifest(), names: [cosignTag(index, "att")] },
    { descriptor: await manifest(), names: [cosignTag(sbom)] },
    { descriptor: notation },
    { descriptor: ofPart },
    { descriptor: sbom, names: [cosignTag(index, "sbom")] },
    { descriptor: index, names: [NAME] },
  ];
  await importBoth(store, all, async (kind, { run }) => {
    const asked: string[] = [];
    const images = await run(watched().store, ({ reference }) => {
      asked.push(reference);
      return Promise.resolve();
    });
    assertEquals(asked, [NAME], kind);
    assertEquals(
      images.map(({ isReferrer }) => isReferrer),
      [true, true, true, true, true, true, true, false],
      kind,
    );
  });
});

Deno.test("storeRepository() and the referrers' tag take an empty artifact type for none", async () => {
  const { store, image } = await packed();
  const { manifest } = image;
  const bytes = encoder.encode(
    JSON.stringify({
      ...manifest,
      artifactType: "",
      subject: image.descriptor,
    }),
  );
  const descriptor = describe(MediaType.Manifest, bytes);
  await storeBytes(store, bytes, { descriptor });
  const { referrers } = storeRepository(store, [image, { descriptor }]);
  const artifactType = MediaType.Config;
  const expected = [{ ...descriptor, artifactType }];
  for (const options of [{}, { artifactType }]) {
    assertEquals(
      await Array.fromAsync(referrers(image.descriptor, options)),
      expected,
    );
  }
  assertEquals(toReferrer(descriptor, bytes), expected[0]);
});
