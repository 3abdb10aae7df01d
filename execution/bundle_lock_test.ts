import { assert, assertEquals, assertRejects } from "@std/assert";
import { lockFile, tryLockFile } from "@containerkit/state";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
} from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import {
  type Bundle,
  bundleOf,
  type ContainerRecord,
  readRecord,
  writeJson,
} from "./_bundle.ts";
import { claimBundle } from "./_claim_bundle.ts";
import {
  createSpec,
  deleteContainer,
  listContainers,
  openContainer,
  readEvents,
  recoverContainers,
  run,
  RuntimeError,
} from "./mod.ts";

/** Makes a container that has ended, and is kept. */
async function makeEnded(folder: string) {
  const rootfs = `${folder}/rootfs`;
  Deno.mkdirSync(rootfs, { recursive: true });
  makeBusyboxRootfs(rootfs);
  const state = `${folder}/state`;
  const spec = await createSpec({}, { rootfs, args: ["true"] });
  await using container = await run("a", spec, { state });
  await container.status;
  container.keep();
  return { state, bundle: bundleOf(state, "a") };
}

async function deletions(state: string): Promise<number> {
  const events = await Array.fromAsync(readEvents({ state }));
  return events.filter(({ type }) => type === "delete").length;
}

/** Whether it is still under way after others had their turn. */
async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  const later = new Promise((resolve) => setTimeout(resolve, 100, true));
  return await Promise.race([promise.then(() => false), later]) as boolean;
}

/** Deletes a container while another program has it locked, which does something to it and is done. */
async function deleteBeside(
  { state, bundle }: { state: string; bundle: Bundle },
  meanwhile: () => void,
): Promise<void> {
  const other = await lockFile(bundle.lock);
  const deleted = deleteContainer("a", { state });
  assert(await isWaiting(deleted));
  meanwhile();
  other.close();
  await deleted;
}

rootTest(
  "deleteContainer() waits for a program that removes the container already, which alone tells it",
  async () => {
    using temp = tempDir();
    const { state, bundle } = await makeEnded(temp.path);
    const path = `${temp.path}/away`;
    await deleteBeside(
      { state, bundle },
      () => Deno.renameSync(bundle.path, path),
    );
    assertEquals(await deletions(state), 0);
    Deno.renameSync(path, bundle.path);
    await deleteContainer("a", { state });
    assertEquals(await deletions(state), 1);
  },
  need("runc", "busybox"),
);

rootTest(
  "deleteContainer() leaves alone what has its id meanwhile",
  async () => {
    using temp = tempDir();
    const { state, bundle } = await makeEnded(temp.path);
    const record = readRecord(bundle)!;
    await deleteBeside({ state, bundle }, () => {
      const next: ContainerRecord = { ...record, startTime: 1 };
      Deno.writeTextFileSync(bundle.record, JSON.stringify(next));
    });
    assertEquals(listContainers({ state }).map(({ id }) => id), ["a"]);
    assertEquals(await deletions(state), 0);
    await deleteContainer("a", { state });
    assertEquals(listContainers({ state }), []);
  },
  need("runc", "busybox"),
);

rootTest(
  "deleteContainer() goes on after a program that was killed while it removed the container",
  async () => {
    using temp = tempDir();
    const { state, bundle } = await makeEnded(temp.path);
    await deleteBeside({ state, bundle }, () => {
      Deno.removeSync(bundle.record);
    });
    assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
    assertEquals(await deletions(state), 1);
  },
  need("runc", "busybox"),
);

rootTest(
  "deleteContainer() removes the record before the lock, so that one who is killed in between leaves what is found",
  async () => {
    using temp = tempDir();
    const { state, bundle } = await makeEnded(temp.path);
    using restored = new DisposableStack();
    const { removeSync } = Deno;
    let isKilled = false;
    restored.defer(() => Object.assign(Deno, { removeSync }));
    Object.assign(Deno, {
      removeSync(path: string, options?: Deno.RemoveOptions) {
        if (path !== bundle.path) return removeSync(path, options);
        if (!isKilled) removeSync(bundle.lock);
        isKilled = true;
        throw new Error("killed");
      },
    });
    await assertRejects(() => deleteContainer("a", { state }), Error, "killed");
    restored.dispose();
    assertEquals(listContainers({ state }), []);
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
    assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
  },
  need("runc", "busybox"),
);

rootTest(
  "deleteContainer() makes no new lock where a program is removing the container, which alone tells it",
  async () => {
    using temp = tempDir();
    const { state, bundle } = await makeEnded(temp.path);
    await deleteBeside({ state, bundle }, () => {
      // The folder goes last.
      for (const path of [bundle.record, bundle.lock]) Deno.removeSync(path);
    });
    assertEquals(await deletions(state), 0);
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
  },
  need("runc", "busybox"),
);

Deno.test("claimBundle() begins again if its folder is taken for abandoned before it is locked", async () => {
  await using temp = tempDir();
  const bundle = bundleOf(temp.path, "a");
  const mkdirSync = Deno.mkdirSync;
  let cleaner = () => {};
  let made = 0;
  using restored = new DisposableStack();
  restored.defer(() => Object.assign(Deno, { mkdirSync }));
  Object.assign(Deno, {
    mkdirSync(path: string, options: Deno.MkdirOptions) {
      mkdirSync(path, options);
      if (path === bundle.path && made++ < 2) cleaner();
    },
  });
  // One that has gone when the folder is locked, and one that is still at work.
  const clean = () => Deno.removeSync(bundle.path, { recursive: true });
  cleaner = () => {
    if (made === 1) return clean();
    const lock = tryLockFile(bundle.lock);
    setTimeout(() => {
      clean();
      lock?.close();
    }, 20);
  };
  using lock = await claimBundle(bundle, undefined);
  assertEquals([made, lock.path], [3, bundle.lock]);
  assertEquals(tryLockFile(bundle.lock), undefined);
  const error = await assertRejects(
    () => claimBundle(bundle, undefined),
    RuntimeError,
  );
  assertEquals(error.code, "AlreadyExists");
});

rootTest(
  "deleteContainer() stops waiting when it is told to",
  async () => {
    using temp = tempDir();
    const { state, bundle } = await makeEnded(temp.path);
    const other = await lockFile(bundle.lock);
    const stop = new AbortController();
    const deleted = deleteContainer("a", { state, signal: stop.signal });
    assert(await isWaiting(deleted));
    stop.abort(new RangeError("enough"));
    await assertRejects(() => deleted, RangeError, "enough");
    other.close();
    await deleteContainer("a", { state });
  },
  need("runc", "busybox"),
);

rootTest(
  "deleteContainer() that was told to stop before ends nothing",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state,
      stderr: "null",
    });
    const signal = AbortSignal.abort(new RangeError("enough"));
    await assertRejects(
      () => deleteContainer("a", { state, force: true, signal }),
      RangeError,
      "enough",
    );
    assertEquals(container.state(), "running");
  },
  need("runc", "busybox"),
);

Deno.test("writeJson() shares its temporary file with no other writer", () => {
  using temp = tempDir();
  const path = `${temp.path}/resources.json`;
  // What another program is still writing stays as it is.
  Deno.writeTextFileSync(`${path}.tmp`, "half");
  writeJson(path, { pids: { limit: 1 } });
  assertEquals(Deno.readTextFileSync(`${path}.tmp`), "half");
  assertEquals(Deno.readTextFileSync(path), '{"pids":{"limit":1}}');
});

rootTest(
  "status is the end that is written down already, before the program is reaped and for who waits too",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state,
      stderr: "null",
    });
    const exit = {
      success: false,
      code: 3,
      signal: null,
      oomKilled: false,
      exitedAt: new Date().toISOString(),
    };
    writeJson(bundleOf(state, "a").exit, exit);
    await using found = openContainer("a", { state });
    assertEquals(await found.status, exit);
    assertEquals(container.state(), "running");
    // Who waits for it tells the same, and not what it sees itself.
    container.kill("KILL");
    assertEquals(await container.status, exit);
  },
  need("runc", "busybox"),
);
