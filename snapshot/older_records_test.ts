import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { rootTest, tempDir } from "@containerkit/tests";
import {
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
} from "./mod.ts";
import { openImage } from "./image.ts";
import { openNative } from "./native.ts";

const { InvalidData } = Deno.errors;
const WHY = /is older than layer "(layer|third)", .*"rebuild" adds/;

type Open = (options: OpenSnapshotterOptions) => Promise<Snapshotter>;
const DRIVERS: Readonly<Record<string, Open>> = {
  overlay: openOverlay,
  tarindex: openTarindex,
  native: openNative,
  image: openImage,
};

/** A store, of which one can go back to earlier records. */
function storeOf(driver: string, open: Open, root: string) {
  const folder = `${root}/snapshots/${driver}`;
  const path = `${folder}/state.db`;
  return {
    layers: `${folder}/layers`,
    trash: `${folder}/trash`,
    open: (options: { rebuild?: boolean } = {}) => open({ root, ...options }),
    async use(body: (store: Snapshotter) => Promise<void>): Promise<void> {
      await using store = await open({ root });
      await body(store);
    },
    backUp: () => Deno.copyFileSync(path, `${root}/backup`),
    /** As after a boot. */
    restore(): void {
      for (const suffix of ["-wal", "-shm"]) {
        try {
          Deno.removeSync(`${path}${suffix}`);
        } catch {
          // It went with the last who had it open.
        }
      }
      Deno.copyFileSync(`${root}/backup`, path);
      const database = new DatabaseSync(path);
      database.exec(
        "UPDATE snapshots SET boot_id = 'other' WHERE boot_id IS NOT NULL",
      );
      database.close();
    },
  };
}

async function commit(
  store: Snapshotter,
  name: string,
  options: { parent?: string; durability?: "none" } = {},
): Promise<void> {
  const { parent, durability } = options;
  await using work = await store.prepare(`make ${name}`, parent);
  await work.commit(name, durability === undefined ? {} : { durability });
}

async function names(store: Snapshotter): Promise<string[]> {
  return (await Array.fromAsync(store.walk(), ({ name }) => name)).sort();
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: open() refuses records that are older than layers, and adds these with rebuild`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      const kit = storeOf(driver, open, temp.path);
      await kit.use(async (store) => {
        await commit(store, "base");
        (await store.prepare("kept", "base")).keep();
      });
      kit.backUp();
      await kit.use(async (store) => {
        await commit(store, "layer", { parent: "base" });
        await commit(store, "top", { parent: "layer", durability: "none" });
      });
      kit.restore();
      await assertRejects(() => kit.open(), InvalidData, `layer "layer"`);
      assertEquals([...Deno.readDirSync(kit.trash)], []);
      {
        await using store = await kit.open({ rebuild: true });
        assertEquals(await names(store), ["base", "kept", "layer", "top"]);
        assertEquals(await store.fsck(), []);
        assertEquals((await store.verify("top")).ok, true);
        await using _more = await store.prepare("more", "top");
      }
      await kit.use(async (store) => {
        assertEquals(await store.fsck({ fix: true }), []);
        for (const name of ["kept", "top", "layer", "base"]) {
          await store.remove(name);
        }
      });
    },
  );
}

const { overlay } = DRIVERS;

rootTest(
  "open() refuses records in which a layer is not committed yet",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const kit = storeOf("overlay", overlay!, temp.path);
    await kit.use((store) => commit(store, "layer"));
    await kit.use(async (store) => {
      (await store.prepare("work", "layer")).keep();
    });
    kit.backUp();
    await kit.use((store) => store.commit("third", "work"));
    kit.restore();
    await assertRejects(() => kit.open(), InvalidData, `layer "third"`);
    await using store = await kit.open({ rebuild: true });
    assertEquals(await names(store), ["layer", "third"]);
    assertEquals(await store.fsck(), []);
  },
);

rootTest(
  "prepare() refuses the number of a layer that older records lack",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const kit = storeOf("overlay", overlay!, temp.path);
    await kit.use((store) => commit(store, "base"));
    kit.backUp();
    await kit.use(async (store) => {
      await using _gap = await store.prepare("gap");
      await commit(store, "layer");
    });
    kit.restore();
    await kit.use(async (store) => {
      (await store.prepare("one")).keep();
      const error = await assertRejects(
        () => store.prepare("two"),
        InvalidData,
      );
      assertEquals(WHY.test(error.message), true, error.message);
      assertEquals(await names(store), ["base", "one"]);
    });
    assertEquals([...Deno.readDirSync(kit.trash)], []);
    await using store = await kit.open({ rebuild: true });
    assertEquals(await names(store), ["base", "layer", "one"]);
    assertEquals(await store.fsck(), []);
    await using _two = await store.prepare("two", "layer");
  },
);

rootTest(
  "open() removes what a power cut leaves without a record",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const kit = storeOf("overlay", overlay!, temp.path);
    await kit.use((store) => commit(store, "base"));
    kit.backUp();
    await kit.use((store) => commit(store, "layer"));
    kit.restore();
    // Its record was not durable.
    Deno.chmodSync(`${kit.layers}/2/snapshot.json`, 0o600);
    {
      await using store = await kit.open({ rebuild: true });
      assertEquals(await names(store), ["base"]);
      // As a repair leaves it that is cut off between its exchange and its record.
      (await store.prepare("repair", undefined)).keep();
      const id = [...Deno.readDirSync(kit.layers)].map(({ name }) => name)
        .find((name) => name !== "1");
      Deno.copyFileSync(
        `${kit.layers}/1/snapshot.json`,
        `${kit.layers}/${id}/snapshot.json`,
      );
      Deno.chmodSync(`${kit.layers}/${id}/snapshot.json`, 0o400);
    }
    kit.backUp();
    kit.restore();
    await kit.use(async (store) => {
      assertEquals(await names(store), ["base", "repair"]);
      assertEquals(await store.fsck(), []);
    });
  },
);
