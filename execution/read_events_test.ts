import { assertEquals, assertRejects } from "@std/assert";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
} from "@containerkit/tests";
import { setImmediate } from "node:timers";
import { emitEvent } from "./_events.ts";
import {
  type ContainerEventType,
  createSpec,
  readEvents,
  type ReadEventsOptions,
  readLog,
  run,
} from "./mod.ts";

/** Ids of 300 containers, of which each was started and ended. */
const ids = Array.from({ length: 300 }, (_, index) => `c${index}`);

function tell(state: string): void {
  for (const id of ids) {
    emitEvent(state, { type: "start", id, pid: 1 });
    emitEvent(state, { type: "exit", id, pid: 1 });
  }
}

async function cursors(options: ReadEventsOptions): Promise<number[]> {
  return (await Array.fromAsync(readEvents(options))).map(({ cursor }) =>
    cursor
  );
}

Deno.test("readEvents() goes on after the last event that was seen, of those that are wanted", async () => {
  using temp = tempDir();
  const state = temp.path;
  tell(state);
  const all = await cursors({ state });
  assertEquals(all.length, 600);
  assertEquals(all, all.toSorted((a, b) => a - b));
  const seen: number[] = [];
  for await (const { cursor } of readEvents({ state })) {
    seen.push(cursor);
    if (seen.length === 299) break;
  }
  const rest = await cursors({ state, after: seen.at(-1)! });
  assertEquals([...seen, ...rest], all);
  assertEquals(await cursors({ state, after: all.at(-1)! }), []);
  assertEquals(
    await cursors({ state, ids: ["c299", "none"], types: ["exit"] }),
    [all.at(-1)],
  );
});

Deno.test("readEvents() follows from a cursor, and ends with the signal", async () => {
  using temp = tempDir();
  const state = temp.path;
  emitEvent(state, { type: "start", id: "a", pid: 1 });
  const stop = new AbortController();
  const seen: string[] = [];
  await assertRejects(
    async () => {
      const events = readEvents({
        state,
        after: 1,
        follow: true,
        signal: stop.signal,
      });
      const first = events.next();
      emitEvent(state, { type: "exit", id: "a", pid: 1 });
      seen.push((await first).value!.type);
      stop.abort();
      await events.next();
    },
    DOMException,
  );
  assertEquals(seen, ["exit"]);
});

Deno.test("readEvents() ends with its signal in the midst of what is there", async () => {
  using temp = tempDir();
  const state = temp.path;
  for (const type of ["start", "exit"] as const) {
    emitEvent(state, { type, id: "a", pid: 1 });
  }
  const stop = new AbortController();
  const events = readEvents({ state, signal: stop.signal });
  assertEquals((await events.next()).value?.type, "start");
  stop.abort(new RangeError("enough"));
  await assertRejects(() => events.next(), RangeError, "enough");
});

Deno.test("readEvents() refuses a cursor that is not of this boot", async () => {
  using temp = tempDir();
  const state = temp.path;
  for (const after of [1, NaN]) {
    await assertRejects(() => cursors({ state, after }), RangeError, "cursor");
  }
  emitEvent(state, { type: "start", id: "a", pid: 1 });
  assertEquals(await cursors({ state, after: 1 }), []);
  await assertRejects(() => cursors({ state, after: 2 }), RangeError);
});

rootTest("readEvents() gives every kind of event in its order", async () => {
  using temp = tempDir();
  const state = `${temp.path}/state`;
  const rootfs = `${temp.path}/rootfs`;
  Deno.mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
  const spec = await createSpec({}, {
    rootfs,
    args: ["sleep", "1000"],
    namespaces: { network: "host" },
  });
  {
    await using container = await run("a", spec, { state });
    await using process = await container.exec(["true"]);
    await process.status;
    await container.pause();
    await container.resume();
    await container.update({ pids: { limit: 100 } });
  }
  // Those that are left out tell of what is wrong, and have tests of their own.
  const kinds: Record<
    Exclude<ContainerEventType, "oom" | "log-lost">,
    unknown
  > = {
    "create": true,
    "start": true,
    "exec-start": true,
    "exec-exit": true,
    "pause": true,
    "resume": true,
    "update": true,
    "exit": true,
    "delete": true,
  };
  const events = await Array.fromAsync(readEvents({ state }));
  assertEquals(events.map(({ type }) => type as string), Object.keys(kinds));
}, need("runc", "busybox"));

Deno.test("readEvents() and readLog() let others work, whoever takes long over each entry", async () => {
  using temp = tempDir();
  const state = temp.path;
  tell(state);
  const path = `${temp.path}/log`;
  Deno.writeTextFileSync(path, "a line\n".repeat(600));
  for (
    const entries of [readEvents({ state }), readLog({ path, format: "raw" })]
  ) {
    let turns = 0;
    let seen = 0;
    for await (const _entry of entries) {
      if (++seen === 3) break;
      setImmediate(() => turns++);
      const end = performance.now() + 15;
      while (performance.now() < end);
    }
    assertEquals(turns, 2);
  }
});
