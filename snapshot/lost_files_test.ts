import { assertEquals, assertRejects } from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { applyLayer, openOverlay, openTarindex } from "./mod.ts";
import { openNative } from "./native.ts";

const DRIVERS = { overlay: openOverlay, tarindex: openTarindex };

// What another process finds that looked a snapshot up just before it was removed.
for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: commit() and open() give NotFound for a snapshot without its files`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      (await store.prepare("work")).keep();
      const layers = `${temp.path}/snapshots/${driver}/layers`;
      const [folder] = [...Deno.readDirSync(layers)];
      Deno.removeSync(`${layers}/${folder!.name}`, { recursive: true });
      for (
        const call of [
          () => store.commit("layer", "work"),
          () => store.open("work"),
        ]
      ) {
        await assertRejects(
          call,
          Deno.errors.NotFound,
          'snapshot "work": its files are gone',
        );
      }
      await store.remove("work");
      assertEquals(await store.fsck(), []);
    },
  );
}

// What unpack() does: layers are applied without their parents, which another process may remove until the commit.
for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: commit() onto a parent whose files are gone gives NotFound and keeps the snapshot`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      const layers = `${temp.path}/snapshots/${driver}/layers`;
      const layer = () =>
        ReadableStream.from<TarStreamInput>([
          { type: "directory", path: "a" },
          { type: "file", path: "b/c", size: 0, readable: new Blob().stream() },
        ]).pipeThrough(new TarStream());
      await using base = await store.prepare("base");
      await base.apply(layer());
      await base.commit("parent");
      const [folder] = [...Deno.readDirSync(layers)];
      await using work = await store.prepare("work");
      await work.apply(layer());
      Deno.renameSync(`${layers}/${folder!.name}`, `${temp.path}/aside`);
      await assertRejects(
        () => work.commit("layer", { parent: "parent" }),
        Deno.errors.NotFound,
        'its parent "parent" was removed meanwhile',
      );
      Deno.renameSync(`${temp.path}/aside`, `${layers}/${folder!.name}`);
      await work.commit("layer", { parent: "parent" });
      assertEquals(await store.fsck(), []);
    },
  );
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: open() refuses to begin anew beside layers, and makes the records from them`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      const options = { root: temp.path };
      {
        await using store = await open(options);
        await using work = await store.prepare("work");
        await work.commit("layer");
      }
      const path = `${temp.path}/snapshots/${driver}/state.db`;
      const lose = [
        () => Deno.removeSync(path),
        () => Deno.truncateSync(path),
      ];
      for (const losing of lose) {
        losing();
        const { InvalidData } = Deno.errors;
        await assertRejects(() => open(options), InvalidData, "it is gone");
        await using store = await open({ ...options, rebuild: true });
        assertEquals(await store.fsck(), []);
        await using _work = await store.prepare("more", "layer");
      }
    },
  );
}

for (
  const [driver, open] of Object.entries({ ...DRIVERS, native: openNative })
) {
  rootTest(
    `${driver}: apply() ends a stream that it does not come to read`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      await using work = await store.prepare("work");
      const layers = `${temp.path}/snapshots/${driver}/layers`;
      Deno.removeSync(layers, { recursive: true });
      const cancelled: unknown[] = [];
      const stream = () =>
        new ReadableStream({ cancel: (reason) => void cancelled.push(reason) });
      const why = [
        await assertRejects(() => work.apply(stream())),
        await assertRejects(() => applyLayer(stream(), layers)),
      ];
      assertEquals(cancelled, why);
      Deno.mkdirSync(layers);
    },
  );
}

rootTest(
  "tarindex: prepare() and flatten() say which layer has lost its files",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await using store = await openTarindex({ root: temp.path });
    await using work = await store.prepare("work");
    await work.commit("layer");
    // Another process, which has not read it yet.
    Deno.removeSync(`${temp.path}/snapshots/tarindex/layers/1/layer.tar`);
    await using other = await openTarindex({ root: temp.path });
    const calls = [
      () => other.prepare("more", "layer"),
      () => other.flatten("layer"),
    ];
    for (const call of calls) {
      await assertRejects(
        call,
        Deno.errors.NotFound,
        'Cannot index layer "layer"',
      );
    }
  },
);
