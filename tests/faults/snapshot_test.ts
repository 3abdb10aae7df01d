import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mount } from "@containerkit/mount";
import {
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
  unpack,
} from "@containerkit/snapshot";
import { openNative } from "@containerkit/snapshot/native";
import { chainIds } from "@containerkit/oci";
import { DatabaseSync } from "node:sqlite";

import { fillDisk, rootTest, tempDir } from "../mod.ts";
import { runProgram } from "../run_program.ts";
import { imageLayers, makeLayer } from "./_snapshot_world.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const KILLS = LONG ? 200 : 5;

type Open = (options: OpenSnapshotterOptions) => Promise<Snapshotter>;
const DRIVERS: Readonly<Record<string, Open>> = {
  overlay: openOverlay,
  tarindex: openTarindex,
  native: openNative,
};

function startWorker(
  driver: string,
  root: string,
  seed: number,
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      new URL("./_snapshot_worker.ts", import.meta.url).pathname,
      driver,
      root,
      String(seed),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function killWorker(worker: Deno.ChildProcess): void {
  try {
    worker.kill("SIGKILL");
  } catch {
    // It is dead already: its status says why.
  }
}

/** What must hold of a store whatever happened to those who used it. */
async function checkStore(open: Open, root: string): Promise<void> {
  await using store = await open({ root });
  assertEquals(await store.fsck(), []);
  const layers = new Map([0, 1, 2].flatMap((image) => {
    const all = imageLayers(image);
    const ids = chainIds(all.map(({ diffId }) => diffId));
    return all.map((layer, at) => [ids[at]!, layer] as const);
  }));
  for await (const { name, kind } of store.walk()) {
    assertEquals(
      /^(unpack |own-|repair-)/.test(name),
      false,
      `${name} is left`,
    );
    const source = layers.get(name);
    if (kind !== "committed" || source === undefined) continue;
    const { ok, problems } = await store.verify(name, { source });
    assertEquals(ok, true, problems.join("\n"));
  }
  assertEquals(
    [...Deno.readDirSync(`${root}/snapshots/${store.driver}/trash`)],
    [],
  );
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: a process that is killed at any point leaves a store that holds`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      for (let kill = 0; kill < KILLS; kill++) {
        // Two at once: what one leaves the other must be able to go on with.
        const seed = Math.floor(Math.random() * 2 ** 31);
        const workers = [0, 1].map((at) =>
          startWorker(driver, temp.path, seed + at)
        );
        try {
          for (const worker of workers) {
            const reader = worker.stdout.getReader();
            await reader.read();
            await new Promise((resolve) =>
              setTimeout(resolve, Math.random() * 300)
            );
            killWorker(worker);
            const { signal, code } = await worker.status;
            const stderr = await new Response(worker.stderr).text();
            assertEquals({ signal, code, stderr }, {
              signal: "SIGKILL",
              code: 137,
              stderr: "",
            });
            await reader.cancel();
          }
        } finally {
          // A failure must not hide behind that of the folder's removal, which they write to.
          for (const worker of workers) {
            killWorker(worker);
            await worker.status;
          }
        }
        await checkStore(open, temp.path);
      }
    },
  );
}

/** A small disk with a store on it. */
async function smallDisk(): Promise<{ path: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const temp = stack.use(tempDir({ dir: "/var/tmp" }));
  const source = `${temp.path}/image`;
  const path = `${temp.path}/fs`;
  Deno.mkdirSync(path);
  using file = Deno.createSync(source);
  file.truncateSync(64 << 20);
  await runProgram("mkfs.ext4", ["-q", source]);
  stack.use(await mount({ type: "image", source, fstype: "ext4" }, path));
  const kept = stack.move();
  return { path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: a full disk fails the call and nothing else`,
    async () => {
      await using disk = await smallDisk();
      const small = makeLayer({ small: new Uint8Array(1000) });
      const large = makeLayer({
        half: new Uint8Array(20 << 20).fill(1),
        rest: new Uint8Array(60 << 20).fill(2),
      });
      {
        await using store = await open({ root: disk.path });
        await unpack([small], store);
        for (let round = 0; round < 3; round++) {
          await assertRejects(() => unpack([small, large], store), Error);
          const names = await Array.fromAsync(store.walk(), ({ name }) => name);
          assertEquals(names, [small.diffId]);
        }
        // To the last byte: then even the records cannot grow.
        {
          using filler = Deno.createSync(`${disk.path}/filler`);
          const chunk = new Uint8Array(4096);
          try {
            for (;;) filler.writeSync(chunk);
          } catch {
            // Full.
          }
        }
        for (let key = 0; key < 50; key++) {
          try {
            (await store.prepare(`k${key}`)).keep();
          } catch (error) {
            assertEquals(error instanceof Error, true);
          }
        }
      }
      Deno.removeSync(`${disk.path}/filler`);
      await using store = await open({ root: disk.path });
      assertEquals(await store.fsck(), []);
      await using _again = await store.prepare("again", small.diffId);
    },
  );
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: snapshots are removed on a disk that is full`,
    async () => {
      await using disk = await smallDisk();
      await using stack = new AsyncDisposableStack();
      let store = stack.use(await open({ root: disk.path }));
      const { chainId } = await unpack(imageLayers(0), store);
      (await store.prepare("kept", chainId)).keep();
      fillDisk(disk.path);
      await assertRejects(() => store.prepare("more"), Error);
      await store.remove("kept");
      await store.close();
      // It has some room again, which it sets aside.
      store = stack.use(await open({ root: disk.path }));
      fillDisk(disk.path);
      const { collectable } = store;
      const layers = await Array.fromAsync(store.walk(), ({ name }) => name);
      for (const name of layers.toReversed()) {
        assertEquals(await collectable.remove(name), true);
      }
      await stack.disposeAsync();
      await using again = await open({ root: disk.path });
      assertEquals(await Array.fromAsync(again.walk()), []);
      assertEquals(await again.fsck(), []);
    },
  );
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: damaged records are refused, and made anew from the layers`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      const layers = imageLayers(0);
      let before: unknown[];
      let chainId: string;
      {
        await using store = await open({ root: temp.path });
        ({ chainId } = await unpack(layers, store, { labels: { a: "1" } }));
        (await store.prepare("lost", chainId)).keep();
        before = await Array.fromAsync(
          store.walk({ kind: "committed" }),
          ({ name, parent, diffId, labels }) => ({
            name,
            parent,
            diffId,
            labels,
          }),
        );
      }
      const path = `${temp.path}/snapshots/${driver}/state.db`;
      Deno.writeTextFileSync(path, "this is no database ".repeat(1000));
      await assertRejects(
        () => open({ root: temp.path }),
        Deno.errors.InvalidData,
        "state.db",
      );
      {
        await using store = await open({ root: temp.path, rebuild: true });
        const after = await Array.fromAsync(
          store.walk(),
          ({ name, parent, diffId, labels }) => ({
            name,
            parent,
            diffId,
            labels,
          }),
        );
        assertEquals(after, before);
        const problems = await store.fsck({ fix: true });
        assertEquals(problems.map(({ problem, fixed }) => [problem, fixed]), [[
          "no record names it",
          true,
        ]]);
        assertEquals(await store.fsck(), []);
        await using _work = await store.prepare("work", chainId);
      }
      await checkStore(open, temp.path);
    },
  );

  rootTest(`${driver}: records of a newer version are refused`, async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await (await open({ root: temp.path })).close();
    const path = `${temp.path}/snapshots/${driver}/state.db`;
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    const error = await assertRejects(
      () => open({ root: temp.path, rebuild: true }),
      Error,
    );
    assertEquals(error.name, "StateVersionError");
  });

  rootTest(
    `${driver}: fsck finds what is missing and what is too much`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      const [layer] = imageLayers(0);
      const { chainId } = await unpack([layer!], store);
      (await store.prepare("work", chainId)).keep();
      const root = `${temp.path}/snapshots/${driver}/layers`;
      Deno.mkdirSync(`${root}/77`);
      Deno.removeSync(`${root}/1/snapshot.json`);
      Deno.removeSync(`${root}/2`, { recursive: true });
      const found = (await store.fsck()).map((
        { subject, fixed },
      ) => [subject, fixed]);
      assertEquals(found, [[chainId, false], ["work", false], [
        "layers/77",
        false,
      ]]);
      const fixed = (await store.fsck({ fix: true })).map(({ fixed }) => fixed);
      assertEquals(fixed, [true, true, true]);
      assertEquals(await store.fsck(), []);
      Deno.removeSync(`${root}/1`, { recursive: true });
      const [lost] = await store.fsck({ fix: true });
      assertEquals([lost?.subject, lost?.fixed], [chainId, false]);
      assertStringIncludes(lost!.problem, "repair it");
      await store.repair(chainId, layer!);
      assertEquals(await store.fsck(), []);
      assertEquals((await store.verify(chainId, { source: layer! })).ok, true);
    },
  );

  rootTest(
    `${driver}: a layer whose removal was cut off is built upon by who has the store open`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      const { chainId } = await unpack(imageLayers(0).slice(0, 1), store);
      const root = `${temp.path}/snapshots/${driver}`;
      const id = [...Deno.readDirSync(`${root}/layers`)][0]!.name;
      // As when the process dies between the move and its record.
      Deno.renameSync(`${root}/layers/${id}`, `${root}/trash/${id}.x`);
      await using _work = await store.prepare("work", chainId);
      assertEquals(await store.fsck(), []);
      await _work[Symbol.asyncDispose]();
      Deno.removeSync(`${root}/layers/${id}`, { recursive: true });
      await assertRejects(
        () => store.prepare("work", chainId),
        Deno.errors.NotFound,
        "repair it",
      );
    },
  );
}
