import { assertEquals, assertRejects } from "@std/assert";
import { openState, StateVersionError } from "@containerkit/state";
import { rootTest, tempDir } from "@containerkit/tests";
import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./_rows.ts";
import { openOverlay } from "./mod.ts";

/** The records as the first version wrote them: never to be changed. */
const VERSION_1 = `
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('view', 'active', 'committed')),
    creating INTEGER NOT NULL,
    transient INTEGER NOT NULL,
    parent INTEGER REFERENCES snapshots (id),
    diff_id TEXT,
    size INTEGER,
    inodes INTEGER,
    labels TEXT NOT NULL,
    lease TEXT,
    options TEXT NOT NULL,
    boot_id TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
  ) STRICT;
CREATE INDEX snapshots_by_parent ON snapshots (parent);
CREATE INDEX snapshots_uncommitted ON snapshots (id) WHERE kind <> 'committed';
INSERT INTO snapshots VALUES
  (1, 'base', 'committed', 0, 0, NULL, 'sha256:aa', 4096, 1, '{"a":"1"}', 'pull', '{}', NULL, 1000, 2000),
  (2, 'top', 'committed', 0, 0, 1, NULL, 4096, 1, '{}', NULL, '{}', NULL, 1000, 2000),
  (3, 'work', 'active', 0, 0, 2, NULL, NULL, NULL, '{}', NULL, '{}', 'a boot long ago', 1000, 2000),
  (4, 'gone', 'active', 1, 0, 2, NULL, NULL, NULL, '{}', NULL, '{}', 'a boot long ago', 1000, 2000),
  (5, 'passing', 'active', 0, 1, 2, NULL, NULL, NULL, '{}', NULL, '{}', 'a boot long ago', 1000, 2000);
PRAGMA user_version = 1;`;

/** A store as the first version left it. */
function makeStore(root: string): string {
  const folder = `${root}/snapshots/overlay`;
  for (const id of [1, 2, 3, 4, 5]) {
    Deno.mkdirSync(`${folder}/layers/${id}/fs`, { recursive: true });
    Deno.mkdirSync(`${folder}/layers/${id}/work`);
  }
  Deno.mkdirSync(`${folder}/trash`);
  const path = `${folder}/state.db`;
  using database = new DatabaseSync(path);
  database.exec(VERSION_1);
  return path;
}

rootTest("openOverlay() takes over a store of the first version", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  makeStore(temp.path);
  await using store = await openOverlay({ root: temp.path });
  const found = await Array.fromAsync(
    store.walk(),
    ({ name, kind, parent, root }) => [name, kind, parent, root],
  );
  // What was half made is gone; what an earlier boot wrote to is there, and garbage collection leaves it.
  assertEquals(found, [
    ["base", "committed", undefined, undefined],
    ["top", "committed", "base", undefined],
    ["work", "active", "top", true],
  ]);
  assertEquals(await store.stat("base"), {
    name: "base",
    kind: "committed",
    diffId: "sha256:aa",
    labels: { a: "1" },
    lease: "pull",
    created: new Date(1000),
    updated: new Date(2000),
  });
  const work = await store.open("work");
  await work.commit("new");
  assertEquals((await store.stat("new")).parent, "top");
});

rootTest(
  "a store is migrated forward, and a newer one is refused",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const path = makeStore(temp.path);
    {
      // As a later version would.
      const later = "ALTER TABLE snapshots ADD COLUMN note TEXT";
      using state = openState(path, { migrations: [...MIGRATIONS, later] });
      assertEquals(
        state.prepare("SELECT key, note FROM snapshots WHERE id = 1").get(),
        Object.assign(Object.create(null), { key: "base", note: null }),
      );
    }
    await assertRejects(
      () => openOverlay({ root: temp.path }),
      StateVersionError,
    );
  },
);
