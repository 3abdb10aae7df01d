import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { tempDir } from "../tests/mod.ts";
import { openState, type State, StateVersionError } from "./mod.ts";

const MIGRATIONS = [
  "CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER)",
];

function count(state: State, name: string): number | undefined {
  const row = state.prepare("SELECT value FROM counts WHERE name = ?").get(
    name,
  );
  return row === undefined ? undefined : Number(row.value);
}

Deno.test("openState() migrates forward, each step once", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  {
    using state = openState(path, { migrations: MIGRATIONS });
    state.prepare("INSERT INTO counts VALUES ('a', 1)").run();
  }
  using state = openState(path, {
    migrations: [...MIGRATIONS, "UPDATE counts SET value = value + 10"],
  });
  assertEquals(count(state, "a"), 11);
  assertEquals(
    { ...state.prepare("PRAGMA synchronous").get() },
    { synchronous: 2 },
  );
  assertEquals(
    { ...state.prepare("PRAGMA journal_mode").get() },
    { journal_mode: "wal" },
  );
});

Deno.test("openState() refuses a newer schema and leaves the file alone", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  openState(path, { migrations: [...MIGRATIONS, "CREATE TABLE more (a)"] })
    .close();
  const before = Deno.readFileSync(path);
  const error = assertThrows(
    () => openState(path, { migrations: MIGRATIONS }),
    StateVersionError,
    "its schema is version 2, and this program knows up to 1",
  );
  assertEquals([error.found, error.known], [2, 1]);
  assertEquals(Deno.readFileSync(path), before);
});

Deno.test("openState() leaves the schema as it was when a migration fails", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  assertThrows(
    () => openState(path, { migrations: [...MIGRATIONS, "CREATE TABEL x"] }),
    Deno.errors.InvalidData,
    "syntax error",
  );
  using state = openState(path, { migrations: MIGRATIONS });
  assertEquals(count(state, "a"), undefined);
});

Deno.test("openState() shares one connection per file, however the path is written", async () => {
  await using temp = tempDir();
  const a = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  using b = openState(
    `${temp.path}/../${temp.path.split("/").at(-1)}/state.db`,
    {
      migrations: MIGRATIONS,
    },
  );
  assertEquals(a.database, b.database);
  a.close();
  a.close();
  assertThrows(() => a.prepare("SELECT 1"), Deno.errors.BadResource);
  assertEquals(count(b, "a"), undefined);
  assertThrows(
    () => openState(`${temp.path}/state.db`, { migrations: [] }),
    TypeError,
    "other migrations",
  );
});

Deno.test("openState() says what is not a state file", async () => {
  await using temp = tempDir();
  Deno.writeTextFileSync(`${temp.path}/text`, "not a database\n".repeat(100));
  assertThrows(
    () => openState(`${temp.path}/text`, { migrations: MIGRATIONS }),
    Deno.errors.InvalidData,
    "file is not a database",
  );
  assertThrows(
    () => openState(`${temp.path}/no/state.db`, { migrations: MIGRATIONS }),
    Deno.errors.NotFound,
  );
});

Deno.test("transaction() takes back everything when the function throws", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  assertThrows(
    () =>
      state.transaction(() => {
        state.prepare("INSERT INTO counts VALUES ('a', 1)").run();
        throw new RangeError("no");
      }),
    RangeError,
  );
  assertEquals(count(state, "a"), undefined);
});

Deno.test("transaction() in another one takes back only its own part", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  state.transaction(() => {
    state.prepare("INSERT INTO counts VALUES (?, 1)").run("outer");
    assertThrows(() =>
      state.transaction(() => {
        state.prepare("INSERT INTO counts VALUES (?, 1)").run("inner");
        throw new RangeError("no");
      })
    );
  });
  assertEquals([count(state, "outer"), count(state, "inner")], [1, undefined]);
});

Deno.test("transaction() refuses what is asynchronous", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  let ran = false;
  assertThrows(
    () =>
      state.transaction<unknown>(async () => {
        ran = true;
        await Promise.resolve();
      }),
    TypeError,
    "the function is asynchronous",
  );
  assertEquals(ran, false);
  assertThrows(
    () =>
      state.transaction<unknown>(() => {
        state.prepare("INSERT INTO counts VALUES ('a', 1)").run();
        return Promise.resolve();
      }),
    TypeError,
    "returned a promise",
  );
  assertEquals(count(state, "a"), undefined);
});

Deno.test("transaction() says when another holds the file for too long", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  using state = openState(path, { migrations: MIGRATIONS, timeout: 20 });
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  assertThrows(
    () => state.transaction(() => {}),
    Deno.errors.Busy,
    "another process kept it locked",
  );
  other.exec("ROLLBACK");
  other.close();
  state.transaction(() => {});
});

Deno.test("openState() in many processes at once loses no write", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  const script = `
    const { openState } = await import(${
    JSON.stringify(new URL("./mod.ts", import.meta.url).href)
  });
    using state = openState(Deno.args[0], { migrations: ${
    JSON.stringify(MIGRATIONS)
  } });
    for (let i = 0; i < 50; i++) state.transaction(() => state.prepare(
      "INSERT INTO counts VALUES ('n', 1) ON CONFLICT DO UPDATE SET value = value + 1").run());`;
  const children = Array.from(
    { length: 6 },
    () =>
      new Deno.Command(Deno.execPath(), {
        // Only the folder may be read and written: that is all that state needs.
        args: [
          "run",
          "--no-prompt",
          `--allow-read=${temp.path}`,
          `--allow-write=${temp.path}`,
          `--config=${new URL("../deno.json", import.meta.url).pathname}`,
          `data:application/javascript,${encodeURIComponent(script)}`,
          path,
        ],
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output(),
  );
  for (const { success, stderr } of await Promise.all(children)) {
    assert(success, new TextDecoder().decode(stderr));
  }
  using state = openState(path, { migrations: MIGRATIONS });
  assertEquals(count(state, "n"), 300);
});

Deno.test("snapshot() sees one moment whatever others write", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  using state = openState(path, { migrations: MIGRATIONS });
  const other = new DatabaseSync(path);
  state.snapshot(() => {
    assertEquals(count(state, "a"), undefined);
    other.exec("INSERT INTO counts VALUES ('a', 1)");
    assertEquals(count(state, "a"), undefined);
  });
  other.close();
  assertEquals(count(state, "a"), 1);
});

Deno.test("transaction() that need not be durable leaves the next ones as durable as ever", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, {
    migrations: ["CREATE TABLE values_ (value INTEGER)"],
  });
  const level = () =>
    Number(
      state.database.prepare("PRAGMA synchronous").get()?.synchronous,
    );
  const [NORMAL, FULL] = [1, 2];
  const write = () => {
    state.prepare("INSERT INTO values_ VALUES (1)").run();
    return level();
  };
  assertEquals(state.transaction(write, { durable: false }), NORMAL);
  assertEquals(state.transaction(write), FULL);
  assertThrows(() =>
    state.transaction(() => {
      throw new RangeError("no");
    }, { durable: false }), RangeError);
  assertEquals(level(), FULL);
  // Within another one that one decides.
  assertEquals(
    state.transaction(() => state.transaction(write, { durable: false })),
    FULL,
  );
  assertEquals(state.prepare("SELECT count(*) AS n FROM values_").get()?.n, 3);
});

Deno.test("makeRoom() does it once more where there was no room, if some was set aside", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/state.db`;
  const reserve = `${path}-reserve`;
  using state = openState(path, { migrations: MIGRATIONS, reserve: 100_000 });
  assertEquals(Deno.statSync(reserve).size, 100_000);
  const attempt = (failures: number, message = "database or disk is full") => {
    let calls = 0;
    const change = () => {
      if (calls++ < failures) throw new Error(message);
    };
    state.makeRoom(() => state.transaction(change));
    return calls;
  };
  const full = `Cannot write state "${path}": database or disk is full`;
  assertThrows(() => attempt(1, "no"), Error, "no");
  assertEquals(attempt(0), 1);
  assertEquals(attempt(1), 2);
  assertThrows(() => Deno.statSync(reserve), Deno.errors.NotFound);
  assertThrows(() => attempt(1), Error, full);
  state.close();
  using _again = openState(path, { migrations: MIGRATIONS, reserve: 100_000 });
  assertEquals(Deno.statSync(reserve).size, 100_000);
});
