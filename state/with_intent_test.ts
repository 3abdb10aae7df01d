import { assertEquals, assertRejects } from "@std/assert";
import { tempDir } from "../tests/mod.ts";
import { type Intent, openState, type State, withIntent } from "./mod.ts";

function folderIntent(
  state: State,
  path: string,
  steps: Partial<Intent<void>> = {},
): Intent<void> {
  return {
    record: () =>
      void state.prepare("INSERT INTO folders VALUES (?, 'creating')").run(
        path,
      ),
    effect: () => Deno.mkdir(path),
    settle: () =>
      void state.prepare("UPDATE folders SET state = 'ready'").run(),
    undo: () => Deno.remove(path),
    forget: () => void state.prepare("DELETE FROM folders").run(),
    ...steps,
  };
}

function rows(state: State): unknown[] {
  return state.prepare("SELECT state FROM folders").all()
    .map((row) => row.state);
}

const MIGRATIONS = ["CREATE TABLE folders (path TEXT PRIMARY KEY, state TEXT)"];

Deno.test("withIntent() records before the effect and settles after it", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  const path = `${temp.path}/a`;
  await withIntent(
    state,
    folderIntent(state, path, {
      effect() {
        assertEquals(rows(state), ["creating"]);
        Deno.mkdirSync(path);
      },
    }),
  );
  assertEquals(rows(state), ["ready"]);
});

Deno.test("withIntent() leaves the world as before when the last row cannot be written", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  const path = `${temp.path}/a`;
  await assertRejects(
    () =>
      withIntent(
        state,
        folderIntent(state, path, {
          settle() {
            throw new RangeError("no");
          },
        }),
      ),
    RangeError,
  );
  assertEquals(rows(state), []);
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("withIntent() keeps the row when undoing fails too", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  const error = await assertRejects(
    () =>
      withIntent(
        state,
        folderIntent(state, `${temp.path}/no/a`),
      ),
    AggregateError,
    "Cannot undo",
  );
  assertEquals(error.errors.length, 2);
  assertEquals(rows(state), ["creating"]);
});

Deno.test("withIntent() waits for the disk unless told otherwise", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, { migrations: MIGRATIONS });
  const level = () => state.prepare("PRAGMA synchronous").get()!.synchronous;
  for (const durable of [true, false]) {
    const seen: unknown[] = [];
    const path = `${temp.path}/${durable}`;
    await withIntent(
      state,
      folderIntent(state, path, {
        record: () => void seen.push(level()),
        effect: () => void seen.push(level()),
        settle: () => void seen.push(level()),
      }),
      { durable },
    );
    const [FULL, NORMAL] = [2, 1];
    const rows = durable ? FULL : NORMAL;
    assertEquals(seen, [rows, FULL, rows]);
  }
});

Deno.test("withIntent() takes the row back on a full disk, in what was set aside", async () => {
  await using temp = tempDir();
  using state = openState(`${temp.path}/state.db`, {
    migrations: MIGRATIONS,
    reserve: 4096,
  });
  let isFull = true;
  const intent = folderIntent(state, `${temp.path}/a`, {
    effect() {
      throw new RangeError("no");
    },
    undo() {},
  });
  await assertRejects(
    () =>
      withIntent(state, {
        ...intent,
        forget() {
          if (isFull) {
            isFull = false;
            throw new Error("database or disk is full");
          }
          intent.forget();
        },
      }),
    RangeError,
  );
  assertEquals(rows(state), []);
});
