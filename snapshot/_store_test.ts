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
    const { dir } = store.folder(store.rows.find("works")!.id);
    const { success } = await new Deno.Command("flock", {
      args: ["--nonblock", dir, "true"],
    }).output();
    assertEquals(success, false);
    assertEquals([...Deno.readDirSync(`${store.root}/trash`)], []);
    await assertRejects(() => snapshots.stat("fails"), Deno.errors.NotFound);
  },
  need("flock"),
);
