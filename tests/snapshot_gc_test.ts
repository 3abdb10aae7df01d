import { assertEquals } from "@std/assert";
import {
  collect,
  type Collectable,
  openStore,
  why,
} from "@containerkit/content";
import { openOverlay, openTarindex, unpack } from "@containerkit/snapshot";
import { lockFile } from "@containerkit/state";
import { DatabaseSync } from "node:sqlite";
import { imageLayers } from "./faults/_snapshot_world.ts";
import { rootTest, tempDir } from "./mod.ts";

const ROUNDS = 20;

for (
  const [driver, open] of Object.entries({
    overlay: openOverlay,
    tarindex: openTarindex,
  })
) {
  rootTest(
    `${driver}: what refers to a layer waits while garbage is removed`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      const { chainId } = await unpack(imageLayers(0), store);
      await using work = await store.prepare("work");
      const lock = await lockFile(`${temp.path}/gc.lock`);
      const waiting = [
        unpack(imageLayers(0), store),
        unpack(imageLayers(1), store),
        store.prepare("other", chainId).then((made) => made.keep()),
        work.commit("layer"),
      ];
      const first = await Promise.race([
        ...waiting.map((one) => one.then(() => "done")),
        // What refers to nothing does not wait.
        store.prepare("alone").then((made) => {
          made.keep();
          return "alone";
        }),
      ]);
      assertEquals(first, "alone");
      await assertNone(store.walk({ name: "other" }));
      await assertNone(store.walk({ name: "layer" }));
      lock.close();
      await Promise.all(waiting);
    },
  );

  rootTest(
    `${driver}: a layer that is found while garbage is collected is there afterwards`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      using content = await openStore({ root: temp.path });
      await using store = await open({ root: temp.path });
      // Another process would have the store open itself.
      await using other = await open({ root: temp.path });
      let removed = 0;
      for (let round = 0; round < ROUNDS; round++) {
        await unpack(imageLayers(round % 3), store);
        const path = `${temp.path}/snapshots/${store.driver}/state.db`;
        using database = new DatabaseSync(path, { timeout: 5000 });
        database.exec("UPDATE snapshots SET created = 0, updated = 0");
        const [found, collected] = await Promise.all([
          unpack(imageLayers(round % 3), other),
          collect(content, { collectables: [store.collectable] }),
        ]);
        removed += collected.removed.length;
        await using _work = await other.prepare("work", found.chainId);
      }
      assertEquals(removed > 0, true);
      assertEquals(await store.fsck(), []);
    },
  );

  rootTest(
    `${driver}: unpack() puts the layers that it finds under the lease`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      using content = await openStore({ root: temp.path });
      await using store = await open({ root: temp.path });
      const { collectable } = store;
      const options = { grace: 0, collectables: [collectable] };
      await unpack(imageLayers(0), store);
      {
        await using lease = await content.leases.create();
        const { chainId } = await unpack(imageLayers(0), store, { lease });
        assertEquals((await collect(content, options)).removed, []);
        await using _work = await store.prepare("work", chainId);
      }
      const { removed } = await collect(content, options);
      assertEquals(removed.length, imageLayers(0).length);
      await assertNone(store.walk());
    },
  );

  rootTest(
    `${driver}: garbage collection leaves a snapshot that was kept, and all below it, until it is removed or committed`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      using content = await openStore({ root: temp.path });
      await using store = await open({ root: temp.path });
      const { type } = store.collectable;
      const options = { grace: 0, collectables: [store.collectable] };
      const removed = async () =>
        (await collect(content, options)).removed.map(({ id }) => id).sort();
      const { chainId } = await unpack(imageLayers(0), store);
      {
        // Its lease ends, and what was kept stays.
        await using lease = await content.leases.create();
        const { id } = lease;
        const work = await store.prepare("web", chainId, { lease: id });
        work.keep();
      }
      (await store.view("docs", chainId)).keep();
      (await store.prepare("idle")).keep({ root: false });
      const layers = await Array.fromAsync(
        store.walk({ kind: "committed" }),
        ({ name }) => name,
      );
      assertEquals(await removed(), ["idle"]);
      assertEquals(
        await why(content, { type, id: "web" }, options),
        [{ type, id: "web", reason: "it is kept for its own sake" }],
      );
      await store.remove("docs");
      await store.commit("layer", "web");
      assertEquals(await removed(), [...layers, "layer"].sort());
      await assertNone(store.walk());
    },
  );

  rootTest(
    `${driver}: a dry run leaves out what a handle of the same process is open for`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      using content = await openStore({ root: temp.path });
      await using store = await open({ root: temp.path });
      const { type } = store.collectable;
      const options = { grace: 0, collectables: [store.collectable] };
      const { chainId } = await unpack(imageLayers(0).slice(0, 1), store);
      {
        await using _work = await store.prepare("work", chainId);
        for (const dryRun of [true, false]) {
          const { removed } = await collect(content, { ...options, dryRun });
          assertEquals(removed, []);
        }
      }
      const { removed } = await collect(content, { ...options, dryRun: true });
      assertEquals(removed, [{ type, id: chainId }]);
    },
  );

  rootTest(
    `${driver}: a snapshot whose process died before it kept it is garbage`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      using content = await openStore({ root: temp.path });
      await using store = await open({ root: temp.path });
      const { type } = store.collectable;
      const options = { grace: 0, collectables: [store.collectable] };
      await using lease = await content.leases.create();
      {
        // It lets go of its locks, as when it dies.
        await using other = await open({ root: temp.path });
        await other.prepare("lost");
        await other.prepare("leased", undefined, { lease: lease.id });
        (await other.prepare("kept")).keep();
      }
      const { removed } = await collect(content, options);
      assertEquals(removed, [{ type, id: "lost" }]);
      await lease[Symbol.asyncDispose]();
      const more = await collect(content, options);
      assertEquals(more.removed, [{ type, id: "leased" }]);
    },
  );

  rootTest(
    `${driver}: garbage collection leaves what another component refers to`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      using content = await openStore({ root: temp.path });
      await using store = await open({ root: temp.path });
      const { type } = store.collectable;
      const labels = { "containerd.io/gc.root": "" };
      for (const key of ["idle", "labelled", "web"]) {
        const options = key === "labelled" ? { labels } : {};
        await using work = await store.prepare(key, undefined, options);
        work.keep({ root: false });
      }
      const containers: Collectable = {
        type: "container",
        async *list() {
          yield { id: "web", created: new Date(), root: true };
        },
        async *references(id) {
          yield { type, id };
        },
        async remove() {},
      };
      const { removed } = await collect(content, {
        grace: 0,
        collectables: [containers, store.collectable],
      });
      assertEquals(removed, [{ type, id: "idle" }]);
    },
  );
}

async function assertNone(items: AsyncIterable<unknown>): Promise<void> {
  assertEquals(await Array.fromAsync(items), []);
}
