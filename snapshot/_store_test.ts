import { assert, assertEquals, assertRejects } from "@std/assert";
import { openState } from "@containerkit/state";
import { need, rootTest, tempDir } from "@containerkit/tests";
import type { Place } from "./_driver.ts";
import { OverlayDriver } from "./_overlay.ts";
import { MIGRATIONS } from "./_rows.ts";
import { StoreSnapshotter } from "./_snapshotter.ts";
import { Store } from "./_store.ts";

/** An overlay store whose parts a test may get at. */
function openParts(
  base: string,
): { store: Store; driver: OverlayDriver; snapshots: StoreSnapshotter } {
  const root = `${base}/snapshots/overlay`;
  for (const name of ["layers", "trash"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  const driver = new OverlayDriver(root);
  const state = openState(`${root}/state.db`, { migrations: MIGRATIONS });
  const store = new Store(root, { driver, gcLock: `${base}/gc.lock`, state });
  return { store, driver, snapshots: new StoreSnapshotter(store) };
}

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
    const { store, driver, snapshots } = openParts(temp.path);
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
    const { store, snapshots } = openParts(temp.path);
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
    const { store, snapshots } = openParts(temp.path);
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
