import { assert, assertEquals, assertRejects } from "@std/assert";
import { openState } from "@containerkit/state";
import { UntarStream } from "@containerkit/tar";
import { need, rootTest, tempDir } from "@containerkit/tests";
import type { Driver, Place } from "./_driver.ts";
import { OverlayDriver } from "./_overlay.ts";
import { MIGRATIONS } from "./_rows.ts";
import { StoreSnapshotter } from "./_snapshotter.ts";
import { Store } from "./_store.ts";
import { TarindexDriver } from "./_tarindex.ts";
import { archive, file, stream } from "./_test_layers.ts";
import type { Snapshot } from "./snapshotter.ts";
import { openTarindex } from "./mod.ts";

/** A store whose parts a test may get at; opened again it is that of another process. */
function openParts<D extends Driver>(
  base: string,
  makeDriver: (root: string) => D,
): { store: Store; driver: D; snapshots: StoreSnapshotter } {
  const root = `${base}/snapshots/${makeDriver.name}`;
  for (const name of ["layers", "trash"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  const driver = makeDriver(root);
  const state = openState(`${root}/state.db`, { migrations: MIGRATIONS });
  const store = new Store(root, { driver, gcLock: `${base}/gc.lock`, state });
  return { store, driver, snapshots: new StoreSnapshotter(store) };
}

const overlay = (root: string) => new OverlayDriver(root);
const tarindex = (root: string) => new TarindexDriver(root);

/** Whether another process could remove a snapshot. */
async function isFree(store: Store, key: string): Promise<boolean> {
  const { dir } = store.folder(store.rows.find(key)!.id);
  const { success } = await new Deno.Command("flock", {
    args: ["--nonblock", dir, "true"],
  }).output();
  return success;
}

function upperOf({ mounts: [first] }: {
  readonly mounts: readonly unknown[];
}): string {
  return (first as { upper: string }).upper;
}

rootTest(
  "prepare() that fails leaves alone who gets its number meanwhile",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, driver, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    await (await snapshots.prepare("p")).commit("base", { durability: "none" });
    const create = driver.create.bind(driver);
    driver.create = (place: Place) => {
      create(place);
      if (place.key === "fails") throw new Deno.errors.PermissionDenied("no");
    };
    const [failed, made] = await Promise.allSettled([
      snapshots.prepare("fails", "base"),
      snapshots.prepare("works", "base"),
    ]);
    assert(failed.status === "rejected" && made.status === "fulfilled");
    await store.drain();
    assertEquals((await snapshots.stat("works")).kind, "active");
    assert(Deno.lstatSync(upperOf(made.value)).isDirectory);
    // It is the new folder that is locked, not the one in the trash.
    assertEquals(await isFree(store, "works"), false);
    assertEquals([...Deno.readDirSync(`${store.root}/trash`)], []);
    await assertRejects(() => snapshots.stat("fails"), Deno.errors.NotFound);
  },
  need("flock"),
);

rootTest(
  "collectable.remove() leaves what a handle of the same process is open for",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const work = await snapshots.prepare("work");
    await snapshots.collectable.remove("work");
    assertEquals((await snapshots.stat("work")).kind, "active");
    assertEquals(await isFree(store, "work"), false);
    work.keep();
    await snapshots.collectable.remove("work");
    await assertRejects(() => snapshots.stat("work"), Deno.errors.NotFound);
  },
  need("flock"),
);

rootTest(
  "keep() of one handle leaves the snapshot locked for the others",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const first = await snapshots.prepare("work");
    const second = await snapshots.open("work");
    const third = await snapshots.open("work");
    third.keep();
    third.keep();
    assertEquals(await isFree(store, "work"), false);
    // What is refused gives all of them their lock back.
    await assertRejects(
      () => first.commit("layer", { signal: AbortSignal.abort() }),
      DOMException,
    );
    second.keep();
    assertEquals(await isFree(store, "work"), false);
    first.keep();
    assertEquals(await isFree(store, "work"), true);
  },
  need("flock"),
);

/** Lets a commit fail behind everything that it does: another gets the name first. */
function loseName({ driver, snapshots }: {
  driver: Driver;
  snapshots: StoreSnapshotter;
}, name: string): void {
  const { seal } = driver;
  driver.seal = async (place, signal) => {
    driver.seal = seal;
    const sealed = await driver.seal(place, signal);
    await (await snapshots.prepare(`${name} faster`)).commit(name);
    return sealed;
  };
}

async function namesIn(snapshot: Snapshot): Promise<string[]> {
  const names: string[] = [];
  const { readable } = await snapshot.diff({ compression: "none" });
  for await (const entry of readable.pipeThrough(new UntarStream())) {
    names.push(entry.path);
    await entry.readable?.cancel();
  }
  return names;
}

/** The folder of a snapshot without a parent; its files are in `fs` there. */
function folderOf({ mounts: [first] }: Snapshot): string {
  return (first as { source: string }).source.slice(0, -"/fs".length);
}

function listOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

rootTest(
  "tarindex: a snapshot whose commit() failed can be written to and committed",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const parts = openParts(temp.path, tarindex);
    await using snapshots = parts.snapshots;
    await using work = await snapshots.prepare("work");
    const folder = folderOf(work);
    Deno.writeTextFileSync(`${folder}/fs/one`, "1");
    loseName(parts, "layer");
    await assertRejects(() => work.commit("layer"), Deno.errors.AlreadyExists);
    assertEquals(listOf(folder), ["fs", "work"]);
    Deno.writeTextFileSync(`${folder}/fs/two`, "2");
    assertEquals(await namesIn(work), ["one", "two"]);
    await work.commit("free");
    assertEquals(await snapshots.fsck(), []);
    // What was applied stays.
    await using applied = await snapshots.prepare("applied");
    const layer = archive([file("one", "1")]);
    const { diffId } = await applied.apply(stream(layer));
    loseName(parts, "other");
    await assertRejects(
      () => applied.commit("other"),
      Deno.errors.AlreadyExists,
    );
    await applied.commit("applied layer");
    assertEquals((await snapshots.stat("applied layer")).diffId, diffId);
  },
);

for (const cut of ["while it wrote", "before the record"]) {
  rootTest(
    `tarindex: open() takes back a commit() whose process died ${cut}`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      let folder: string;
      {
        const { store, driver, snapshots } = openParts(temp.path, tarindex);
        await using _snapshots = snapshots;
        const work = await snapshots.prepare("work");
        folder = folderOf(work);
        Deno.writeTextFileSync(`${folder}/fs/one`, "1");
        const row = store.rows.find("work")!;
        store.rows.sealing(row.id);
        await driver.seal(store.place(row), undefined);
        if (cut === "while it wrote") {
          Deno.removeSync(`${folder}/layer.tar`);
          Deno.truncateSync(`${folder}/sealed.tar`, 100);
        }
      }
      const { snapshots } = openParts(temp.path, tarindex);
      await using _snapshots = snapshots;
      await using work = await snapshots.open("work");
      assertEquals(listOf(folder), ["fs", "work"]);
      Deno.writeTextFileSync(`${folder}/fs/two`, "2");
      assertEquals(await namesIn(work), ["one", "two"]);
      await work.commit("layer");
      assertEquals(listOf(folder), ["layer.tar", "snapshot.json"]);
      assertEquals(await snapshots.fsck(), []);
    },
  );
}

rootTest(
  "tarindex: apply() goes on where another died in the midst of it",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await using snapshots = await openTarindex({ root: temp.path });
    await using work = await snapshots.prepare("work");
    const folder = folderOf(work);
    const layer = archive([file("one", "1")]);
    const { readable, writable } = new TransformStream<Uint8Array>();
    const applying = work.apply(readable);
    const writer = writable.getWriter();
    await writer.write(layer.slice(0, 512));
    // As it is when the process dies now.
    const [cut] = listOf(folder).filter((name) => name.startsWith("layer.tar"));
    Deno.copyFileSync(`${folder}/${cut}`, `${folder}/${cut}-left`);
    await writer.abort(new Error("cut"));
    await assertRejects(() => applying);
    const { diffId } = await work.apply(stream(layer));
    await work.commit("layer");
    assertEquals(listOf(folder), ["layer.tar", "snapshot.json"]);
    const { ok } = await snapshots.verify("layer");
    assertEquals([ok, (await snapshots.stat("layer")).diffId], [true, diffId]);
  },
);
