import { assertEquals, assertRejects } from "@std/assert";
import { describe } from "@containerkit/oci";
import { tryLockFile } from "@containerkit/state";
import { LimitError, TarError, type TarLimits } from "@containerkit/tar";
import { writeLayer } from "@containerkit/tar/layer";
import { rootTest, tempDir } from "@containerkit/tests";
import { archive, file, link, stream } from "./_test_layers.ts";
import {
  LayerError,
  type LayerSource,
  openOverlay,
  openTarindex,
  type Snapshotter,
  unpack,
} from "./mod.ts";
import { openNative } from "./native.ts";

function source(name: string): Promise<LayerSource> {
  return sourceOf(archive([file(name)]));
}

async function sourceOf(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<LayerSource> {
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const { digest, size } = await describe(mediaType, bytes);
  const open = () => Promise.resolve(stream(bytes));
  return { mediaType, digest, size, diffId: digest, open };
}

rootTest(
  "unpack() works on as many layers at the same time as it is told, and refuses what is no number of them",
  async () => {
    await using temp = tempDir();
    const layers = await Promise.all(["a", "b", "c"].map(source));
    for (const [parallel, most] of [[1, 1], [2, 2], [8, 3], [Infinity, 3]]) {
      await using snapshots = await openOverlay({
        root: `${temp.path}/${parallel}`,
      });
      let [open, found] = [0, 0];
      const watched = layers.map((layer) => ({
        ...layer,
        async open() {
          found = Math.max(found, ++open);
          // Until each that may be has been opened.
          await new Promise((resolve) => setTimeout(resolve));
          return await layer.open();
        },
      }));
      await unpack(watched, snapshots, {
        parallel: parallel!,
        onProgress({ type }) {
          if (type === "applied") open--;
        },
      });
      assertEquals(found, most, `${parallel}`);
    }
    await using snapshots = await openOverlay({ root: temp.path });
    for (const parallel of [0, -1, NaN]) {
      const call = () => unpack(layers, snapshots, { parallel });
      await assertRejects(call, RangeError, `Cannot unpack ${parallel} layers`);
    }
    assertEquals(await Array.fromAsync(snapshots.walk()), []);
  },
);

rootTest(
  "unpack() names the layer that cannot be applied, and throws what it would throw without",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: temp.path });
    const good = await source("a");
    const linked = await sourceOf(archive([link("nothing", "l")]));
    const damaged = await sourceOf(new Uint8Array(1024).fill(65));
    const reason = new TypeError("no more of it");
    const broken = {
      ...await source("b"),
      open: () => Promise.reject(reason),
    };
    for (
      const [layer, kind, why] of [
        [linked, LayerError, 'Cannot apply "l": it is a link to "nothing"'],
        [damaged, TarError, "Cannot read the archive at byte 0"],
        [broken, TypeError, "no more of it"],
      ] as const
    ) {
      for (const layers of [[layer], [good, layer], [layer, good]]) {
        const error = await assertRejects(
          () => unpack(layers, snapshots),
          kind,
          `Cannot unpack layer "${layer.digest}": ${why}`,
        );
        // Once, however often it is met.
        assertEquals(error.message.split("Cannot unpack").length, 2);
      }
    }
    const controller = new AbortController();
    const over = new Error("enough");
    const ended = {
      ...await source("c"),
      open() {
        controller.abort(over);
        return Promise.reject(over);
      },
    };
    const { signal } = controller;
    assertEquals(
      await assertRejects(() => unpack([ended], snapshots, { signal })),
      over,
    );
    assertEquals(over.message, "enough");
  },
);

rootTest(
  "unpack() heeds its signal when all layers are there, and flatten() and usage() have one",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await using snapshots = await openTarindex({ root: temp.path });
    const layers = await Promise.all(["a", "b"].map(source));
    const controller = new AbortController();
    const reason = new Error("enough");
    const call = () =>
      unpack(layers, snapshots, {
        signal: controller.signal,
        onProgress({ type }) {
          if (type === "commit") controller.abort(reason);
        },
      });
    assertEquals(await assertRejects(call), reason);
    assertEquals(await Array.fromAsync(snapshots.walk()), []);
    const { chainId } = await unpack(layers, snapshots);
    const { signal } = controller;
    for (
      const call of [
        () => snapshots.flatten(chainId, { signal }),
        () => snapshots.usage(chainId, { signal }),
      ]
    ) assertEquals(await assertRejects(call), reason);
  },
);

rootTest(
  "unpack(), verify() and repair() open no layer whose digests are none",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    for (const open of [openOverlay, openNative]) {
      await using snapshots = await open({ root: temp.path });
      await (await snapshots.prepare("work")).commit("layer");
      const opened: string[] = [];
      const good = await source("a");
      const named = (name: "digest" | "diffId") => ({
        ...good,
        [name]: "none",
        open() {
          opened.push(name);
          return good.open();
        },
      });
      for (
        const call of [
          () => unpack([named("digest")], snapshots),
          () => unpack([named("diffId")], snapshots),
          () => snapshots.verify("layer", { source: named("diffId") }),
          () => snapshots.repair("layer", named("diffId")),
        ]
      ) await assertRejects(call, SyntaxError);
      assertEquals(opened, []);
    }
  },
);

rootTest(
  "a call that waits for garbage collection ends with its signal",
  async () => {
    await using temp = tempDir();
    const root = temp.path;
    await using snapshots = await openOverlay({ root });
    const layers = [await source("a")];
    const { chainId } = await unpack(layers, snapshots);
    await using work = await snapshots.prepare("work");
    const reason = new Error("enough");
    const added: Promise<unknown>[] = [];
    const lease = {
      id: "mine",
      async add() {
        const adding = snapshots.update(chainId, { labels: {} });
        added.push(adding);
        await adding;
      },
    };
    for (
      const call of [
        (signal: AbortSignal) => snapshots.prepare("a", chainId, { signal }),
        (signal: AbortSignal) => snapshots.view("v", chainId, { signal }),
        (signal: AbortSignal) => work.commit("layer", { signal }),
        (signal: AbortSignal) =>
          snapshots.update(chainId, { labels: {}, signal }),
        (signal: AbortSignal) => unpack(layers, snapshots, { signal }),
        (signal: AbortSignal) => unpack(layers, snapshots, { signal, lease }),
      ]
    ) {
      const controller = new AbortController();
      using _lock = tryLockFile(`${root}/gc.lock`);
      const called = call(controller.signal);
      const timer = setTimeout(() => controller.abort(reason), 20);
      assertEquals(await assertRejects(() => called), reason);
      clearTimeout(timer);
    }
    // What the caller was asked to do goes on.
    await Promise.all(added);
    const left = await Array.fromAsync(snapshots.walk());
    assertEquals(left.map(({ name }) => name), [chainId, "work"]);
  },
);

for (
  const open of [openOverlay, openTarindex, openNative] as ((
    options: { root: string },
  ) => Promise<Snapshotter>)[]
) {
  rootTest(
    `unpack() into ${open.name}() keeps layers to their limits, and leaves nothing of one that does not`,
    async () => {
      await using temp = tempDir();
      await using snapshots = await open({ root: temp.path });
      // 32 MiB of zeros in 32 KiB.
      const plain = archive([
        file("zeros", new Uint8Array(32 << 20)),
        file("a/b/c"),
      ]);
      const written = writeLayer(stream(plain));
      const bytes = await new Response(written.readable).bytes();
      const { digest, size, diffId } = await written.digests;
      const layer: LayerSource = {
        mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
        digest,
        size,
        diffId,
        open: () => Promise.resolve(stream(bytes)),
      };
      const refused: TarLimits[] = [
        { ratio: 100 },
        { totalBytes: 1 << 20 },
        { entries: 1 },
        { pathDepth: 2 },
      ];
      for (const limits of refused) {
        const error = await assertRejects(
          () => unpack([layer], snapshots, { limits }),
          LimitError,
        );
        assertEquals(error.limit, Object.keys(limits)[0]);
        assertEquals(await Array.fromAsync(snapshots.walk()), []);
      }
      const limits = { ratio: 5000, totalBytes: 64 << 20, entries: 10 };
      await unpack([layer], snapshots, { limits });
    },
  );
}
