import { assertEquals, assertRejects } from "@std/assert";
import {
  createFileIndex,
  createMemoryIndex,
  type PrunableIndex,
} from "./mod.ts";

const KINDS = {
  createMemoryIndex: () => {
    const index = createMemoryIndex();
    return () => index;
  },
  // Each is as another process: locks are of open files.
  createFileIndex: (path: string) => () => createFileIndex(`${path}/index`),
};

for (const [name, make] of Object.entries(KINDS)) {
  const withIndex = async (
    action: (open: () => PrunableIndex) => Promise<void>,
  ) => {
    const path = await Deno.makeTempDir({ prefix: "containerkit-" });
    try {
      await action(make(path));
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  };

  Deno.test(`${name}() lets many have its lock, or one alone, in the order in which they came`, async () => {
    await withIndex(async (open) => {
      const events: string[] = [];
      const note = async (event: string, exclusive: boolean) => {
        const lock = await open().lock({ exclusive });
        events.push(event);
        return lock;
      };
      const first = await note("first", false);
      const second = await note("second", false);
      const alone = note("alone", true);
      // It would never come to an end if others could go on to share it.
      const third = await untilItWaits(open);
      assertEquals(events, ["first", "second"]);
      first[Symbol.dispose]();
      await pause();
      assertEquals(events, ["first", "second"]);
      second[Symbol.dispose]();
      const held = await alone;
      await pause();
      assertEquals(events, ["first", "second", "alone"]);
      held[Symbol.dispose]();
      (await third.lock)[Symbol.dispose]();
      (await open().lock({ exclusive: true }))[Symbol.dispose]();
    });
  });

  Deno.test(`${name}() gives no lock to who no longer waits, and holds nobody up by that`, async () => {
    await withIndex(async (open) => {
      const first = await open().lock();
      for (const exclusive of [true, false]) {
        const reason = new Error("enough");
        const signal = AbortSignal.abort(reason);
        await assertRejects(
          () => open().lock({ exclusive, signal }),
          Error,
          "enough",
        );
      }
      const controller = new AbortController();
      const waiting = open().lock({
        exclusive: true,
        signal: controller.signal,
      });
      const other = await untilItWaits(open);
      controller.abort(new Error("enough"));
      await assertRejects(() => waiting, Error, "enough");
      first[Symbol.dispose]();
      (await other.lock)[Symbol.dispose]();
      (await open().lock({ exclusive: true }))[Symbol.dispose]();
    });
  });

  Deno.test(`${name}() lists the parts below which there are keys`, async () => {
    await withIndex(async (open) => {
      const index = open();
      assertEquals(await index.folders("a"), []);
      for (const key of ["a/c/1", "a/b/1", "a/b/2", "a/key", "ab/d/1"]) {
        await index.set(key, "");
      }
      assertEquals(await index.folders("a"), ["b", "c"]);
      assertEquals(await index.list("a"), ["key"]);
      await index.delete("a/b/1");
      assertEquals(await index.folders("a"), ["b", "c"]);
      await index.delete("a/b/2");
      assertEquals(await index.folders("a"), ["c"]);
    });
  });
}

/** Gives what waits for a lock the time to get it. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

/** Asks for a lock again and again, until somebody who wants to be alone is before it. */
async function untilItWaits(
  open: () => PrunableIndex,
): Promise<{ lock: Promise<Disposable> }> {
  for (let left = 50; left > 0; left--) {
    const lock = open().lock();
    const got = await Promise.race([lock, pause()]);
    if (got === undefined) return { lock };
    got[Symbol.dispose]();
  }
  throw new Error("nobody is before it");
}
