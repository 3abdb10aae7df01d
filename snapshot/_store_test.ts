import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { mount } from "@containerkit/mount";
import { openState } from "@containerkit/state";
import { encodeText, UntarStream } from "@containerkit/tar";
import { describeTree, need, rootTest, tempDir } from "@containerkit/tests";
import type { Driver, Place } from "./_driver.ts";
import { OverlayDriver } from "./_overlay.ts";
import { MIGRATIONS } from "./_rows.ts";
import { StoreSnapshotter } from "./_snapshotter.ts";
import { readSidecar } from "./_sidecar.ts";
import { Store } from "./_store.ts";
import { TarindexDriver } from "./_tarindex.ts";
import {
  archive,
  dir,
  file,
  link,
  stream,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import { getXattr, setXattr } from "./_xattrs.ts";
import type { Snapshot } from "./snapshot.ts";
import { LayerError, openOverlay, openTarindex, RebaseError } from "./mod.ts";

/** A store whose parts a test may get at; opened again it is that of another process. */
function openParts<D extends Driver>(
  base: string,
  makeDriver: (root: string) => D,
): { store: Store; driver: D; snapshots: StoreSnapshotter } {
  const root = `${base}/snapshots/${makeDriver.name}`;
  for (const name of ["layers", "trash"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  const driver = makeDriver(root);
  const state = openState(`${root}/state.db`, { migrations: MIGRATIONS });
  const store = new Store(root, { driver, gcLock: `${base}/gc.lock`, state });
  return { store, driver, snapshots: new StoreSnapshotter(store) };
}

const overlay = (root: string) => new OverlayDriver(root);
const tarindex = (root: string) => new TarindexDriver(root);

/** Whether another process could remove a snapshot. */
async function isFree(store: Store, key: string): Promise<boolean> {
  const { dir } = store.folder(store.rows.find(key)!.id);
  const { success } = await new Deno.Command("flock", {
    args: ["--nonblock", dir, "true"],
  }).output();
  return success;
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
    const { store, driver, snapshots } = openParts(temp.path, overlay);
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
    assertEquals(await isFree(store, "works"), false);
    assertEquals([...Deno.readDirSync(`${store.root}/trash`)], []);
    await assertRejects(() => snapshots.stat("fails"), Deno.errors.NotFound);
  },
  need("flock"),
);

rootTest(
  "collectable.remove() leaves what a handle of the same process is open for",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const work = await snapshots.prepare("work");
    await snapshots.collectable.remove("work");
    assertEquals((await snapshots.stat("work")).kind, "active");
    assertEquals(await isFree(store, "work"), false);
    work.keep({ root: false });
    await snapshots.collectable.remove("work");
    await assertRejects(() => snapshots.stat("work"), Deno.errors.NotFound);
  },
  need("flock"),
);

rootTest(
  "keep() is noted before the lock goes, so that garbage collection leaves the snapshot",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const other = openParts(temp.path, overlay);
    await using _other = other.snapshots;
    const work = await other.snapshots.prepare("work");
    const exclude = store.exclude.bind(store);
    // It is garbage until just before it is locked.
    store.exclude = (action, row) => {
      work.keep();
      return exclude(action, row);
    };
    assertEquals(await snapshots.collectable.remove("work"), false);
    assertEquals((await snapshots.stat("work")).root, true);
    await using _again = await other.snapshots.open("work");
  },
);

rootTest(
  "keep() that cannot be noted leaves the snapshot to its handle",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const work = await snapshots.prepare("work");
    const { database } = store.state;
    const full = "there is no room";
    database.exec(
      `CREATE TRIGGER refuse BEFORE UPDATE ON snapshots BEGIN SELECT RAISE(ABORT, '${full}'); END`,
    );
    assertThrows(() => work.keep(), Error, full);
    assertEquals(await isFree(store, "work"), false);
    assertEquals((await snapshots.stat("work")).root, undefined);
    database.exec("DROP TRIGGER refuse");
    await work[Symbol.asyncDispose]();
    await assertRejects(() => snapshots.stat("work"), Deno.errors.NotFound);
  },
  need("flock"),
);

rootTest(
  "commit() that is done but for what is left over lets go of the layer",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, driver, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    driver.trim = () => Promise.reject(new Error("left over"));
    {
      await using work = await snapshots.prepare("work");
      await assertRejects(() => work.commit("layer"), Error, "left over");
    }
    assertEquals((await snapshots.stat("layer")).kind, "committed");
    assertEquals(await isFree(store, "layer"), true);
  },
  need("flock"),
);

rootTest(
  "remove() leaves a layer that another process made of the snapshot meanwhile",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const other = openParts(temp.path, overlay);
    await using _other = other.snapshots;
    const { rows } = store;
    const { find } = rows;
    const calls = {
      remove: () =>
        assertRejects(
          () => snapshots.remove("work"),
          Deno.errors.NotFound,
          "it was committed or removed meanwhile",
        ),
      collect: async () =>
        assertEquals(await snapshots.collectable.remove("work"), false),
    };
    for (const [name, call] of Object.entries(calls)) {
      (await snapshots.prepare("work")).keep();
      const row = find("work");
      await other.snapshots.commit(name, "work");
      // It was looked up just before.
      rows.find = () => {
        rows.find = find;
        return row;
      };
      await call();
      assertEquals((await snapshots.stat(name)).kind, "committed");
    }
    assertEquals(await snapshots.fsck(), []);
  },
);

rootTest(
  "a closed store says that it is, also while the process has it open again",
  async () => {
    await using temp = tempDir();
    for (const others of [0, 1]) {
      const open = () => openOverlay({ root: `${temp.path}/${others}` });
      const snapshots = await open();
      const work = await snapshots.prepare("work");
      await using _others = new AsyncDisposableStack();
      for (let count = 0; count < others; count++) _others.use(await open());
      await snapshots.close();
      for (
        const call of [
          () => snapshots.prepare("more"),
          () => snapshots.stat("work"),
          () => snapshots.remove("work"),
          () => Array.fromAsync(snapshots.walk()),
          () => Array.fromAsync(snapshots.collectable.list()),
          () => work.diff(),
          () => work[Symbol.asyncDispose](),
        ]
      ) {
        await assertRejects(call, Deno.errors.BadResource, "it is closed");
      }
    }
  },
);

rootTest(
  "keep() of one handle leaves the snapshot locked for the others",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const first = await snapshots.prepare("work");
    const second = await snapshots.open("work");
    const third = await snapshots.open("work");
    third.keep();
    third.keep();
    assertEquals(await isFree(store, "work"), false);
    // What is refused gives all of them their lock back.
    await assertRejects(
      () => first.commit("layer", { signal: AbortSignal.abort() }),
      DOMException,
    );
    second.keep();
    assertEquals(await isFree(store, "work"), false);
    first.keep();
    assertEquals(await isFree(store, "work"), true);
  },
  need("flock"),
);

/** Lets a commit fail behind everything that it does: another gets the name first. */
function loseName({ driver, snapshots }: {
  driver: Driver;
  snapshots: StoreSnapshotter;
}, name: string): void {
  const { seal } = driver;
  driver.seal = async (place, signal) => {
    driver.seal = seal;
    const sealed = await driver.seal(place, signal);
    await (await snapshots.prepare(`${name} faster`)).commit(name);
    return sealed;
  };
}

async function namesIn(snapshot: Snapshot): Promise<string[]> {
  const names: string[] = [];
  const { readable } = await snapshot.diff({ compression: "none" });
  for await (const entry of readable.pipeThrough(new UntarStream())) {
    names.push(entry.path);
    await entry.readable?.cancel();
  }
  return names;
}

/** The folder of a snapshot without a parent; its files are in `fs` there. */
function folderOf({ mounts: [first] }: Snapshot): string {
  return (first as { source: string }).source.slice(0, -"/fs".length);
}

function listOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

rootTest(
  "tarindex: a snapshot whose commit() failed can be written to and committed",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const parts = openParts(temp.path, tarindex);
    await using snapshots = parts.snapshots;
    await using work = await snapshots.prepare("work");
    const folder = folderOf(work);
    Deno.writeTextFileSync(`${folder}/fs/one`, "1");
    loseName(parts, "layer");
    await assertRejects(() => work.commit("layer"), Deno.errors.AlreadyExists);
    assertEquals(listOf(folder), ["fs", "work"]);
    Deno.writeTextFileSync(`${folder}/fs/two`, "2");
    assertEquals(await namesIn(work), ["one", "two"]);
    await work.commit("free");
    assertEquals(await snapshots.fsck(), []);
    // What was applied stays.
    await using applied = await snapshots.prepare("applied");
    const layer = archive([file("one", "1")]);
    const { diffId } = await applied.apply(stream(layer));
    loseName(parts, "other");
    await assertRejects(
      () => applied.commit("other"),
      Deno.errors.AlreadyExists,
    );
    await applied.commit("applied layer");
    assertEquals((await snapshots.stat("applied layer")).diffId, diffId);
  },
);

for (const cut of ["while it wrote", "before the record"]) {
  rootTest(
    `tarindex: open() takes back a commit() whose process died ${cut}`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      let folder: string;
      {
        const { store, driver, snapshots } = openParts(temp.path, tarindex);
        await using _snapshots = snapshots;
        const work = await snapshots.prepare("work");
        folder = folderOf(work);
        Deno.writeTextFileSync(`${folder}/fs/one`, "1");
        const row = store.rows.find("work")!;
        store.rows.sealing(row.id);
        await driver.seal(store.place(row), undefined);
        if (cut === "while it wrote") {
          Deno.removeSync(`${folder}/layer.tar`);
          Deno.truncateSync(`${folder}/sealed.tar`, 100);
        }
      }
      const { snapshots } = openParts(temp.path, tarindex);
      await using _snapshots = snapshots;
      await using work = await snapshots.open("work");
      assertEquals(listOf(folder), ["fs", "work"]);
      Deno.writeTextFileSync(`${folder}/fs/two`, "2");
      assertEquals(await namesIn(work), ["one", "two"]);
      await work.commit("layer");
      assertEquals(listOf(folder), ["layer.tar", "snapshot.json"]);
      assertEquals(await snapshots.fsck(), []);
    },
  );
}

rootTest(
  "tarindex: apply() goes on where another died in the midst of it",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await using snapshots = await openTarindex({ root: temp.path });
    await using work = await snapshots.prepare("work");
    const folder = folderOf(work);
    const layer = archive([file("one", "1")]);
    const { readable, writable } = new TransformStream<Uint8Array>();
    const applying = work.apply(readable);
    const writer = writable.getWriter();
    await writer.write(layer.slice(0, 512));
    // As it is when the process dies now.
    const [cut] = listOf(folder).filter((name) => name.startsWith("layer.tar"));
    Deno.copyFileSync(`${folder}/${cut}`, `${folder}/${cut}-left`);
    await writer.abort(new Error("cut"));
    await assertRejects(() => applying);
    const { diffId } = await work.apply(stream(layer));
    await work.commit("layer");
    assertEquals(listOf(folder), ["layer.tar", "snapshot.json"]);
    const { ok } = await snapshots.verify("layer");
    assertEquals([ok, (await snapshots.stat("layer")).diffId], [true, diffId]);
  },
);

/** As without root: what the map shows is also in the layer. */
const RANGES = [
  { inside: 0, outside: 1000, size: 1 },
  { inside: 1, outside: 100_000, size: 65_535 },
];
const IDMAP = { uids: RANGES, gids: RANGES };
/** A capability in the form of the kernel: version 2, CAP_NET_RAW. */
const CAPABILITY = new Uint8Array(20);
new DataView(CAPABILITY.buffer).setUint32(0, 0x02000001, true);
new DataView(CAPABILITY.buffer).setUint32(4, 1 << 13, true);

/** What a container wrote whose users are mapped; `shown` is how it is in the upper folder, `layer` in a layer. */
const WRITTEN = {
  root: { shown: 1000, layer: 0 },
  user: { shown: 100_999, layer: 1000 },
  outside: { shown: 50, layer: 50 },
} as const;

/** Sets the owner of a link itself, too. */
function lchown(path: string, id: number): void {
  const { success } = new Deno.Command("chown", {
    args: ["--no-dereference", `${id}:${id}`, path],
  }).outputSync();
  assert(success);
}

function writeOwners(upper: string): void {
  Deno.mkdirSync(`${upper}/dir`);
  for (const [name, { shown }] of Object.entries(WRITTEN)) {
    const path = `${upper}/dir/${name}`;
    Deno.writeTextFileSync(path, name);
    Deno.linkSync(path, `${upper}/${name}-link`);
    Deno.symlinkSync(name, `${path}-symlink`);
    for (const one of [path, `${path}-symlink`]) {
      lchown(one, shown);
    }
    Deno.chmodSync(path, 0o6755);
    setXattr(path, "security.capability", CAPABILITY);
  }
}

/** Compares the owners, modes and capabilities with what is to be. */
function checkOwners(folder: string, as: "shown" | "layer"): void {
  for (const [name, ids] of Object.entries(WRITTEN)) {
    for (const path of [`dir/${name}`, `dir/${name}-symlink`, `${name}-link`]) {
      const { uid, gid, mode, isSymlink } = Deno.lstatSync(`${folder}/${path}`);
      assertEquals([path, uid, gid], [path, ids[as], ids[as]]);
      if (isSymlink) continue;
      assertEquals([path, mode! & 0o7777], [path, 0o6755]);
      assertEquals(
        getXattr(`${folder}/${path}`, "security.capability", path),
        CAPABILITY,
      );
    }
  }
}

async function makeBase(snapshots: StoreSnapshotter): Promise<void> {
  await (await snapshots.prepare("p")).commit("base", { durability: "none" });
}

rootTest(
  "overlay: a commit() that fails leaves the owners as an id map shows them",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const parts = openParts(temp.path, overlay);
    await using snapshots = parts.snapshots;
    await makeBase(snapshots);
    await using work = await snapshots.prepare("work", "base", {
      idmap: IDMAP,
    });
    const upper = upperOf(work);
    writeOwners(upper);
    for (const name of ["one", "two"]) {
      loseName(parts, name);
      await assertRejects(() => work.commit(name), Deno.errors.AlreadyExists);
      checkOwners(upper, "shown");
    }
    await work.commit("free");
    checkOwners(upper, "layer");
    assertEquals(listOf(upper.slice(0, -"/fs".length)), [
      "fs",
      "snapshot.json",
      "work",
    ]);
    assertEquals(await snapshots.fsck(), []);
  },
);

for (
  const [call, cut] of [
    ["open()", "in the midst of the owners"],
    ["open()", "before the record"],
    ["commit()", "in the midst of the owners"],
  ]
) {
  rootTest(
    `overlay: ${call} takes back the owners of a commit() that died ${cut}`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      let upper: string;
      {
        const { store, driver, snapshots } = openParts(temp.path, overlay);
        await using _snapshots = snapshots;
        await makeBase(snapshots);
        const options = { idmap: IDMAP, volatile: true };
        upper = upperOf(await snapshots.prepare("work", "base", options));
        writeOwners(upper);
        const row = store.rows.find("work")!;
        store.rows.sealing(row.id);
        await driver.seal(store.place(row), undefined);
        checkOwners(upper, "layer");
        if (cut === "in the midst of the owners") {
          // One was not changed yet, of another only the owner was.
          lchown(`${upper}/dir/root-symlink`, 1000);
          Deno.chownSync(`${upper}/dir/user`, 1000, 1000);
        }
      }
      const { snapshots } = openParts(temp.path, overlay);
      await using _snapshots = snapshots;
      if (call === "open()") {
        (await snapshots.open("work")).keep();
        checkOwners(upper, "shown");
      }
      await snapshots.commit("layer", "work");
      checkOwners(upper, "layer");
    },
  );
}

rootTest(
  "overlay: apply() onto a parent writes the owners as an id map shows them",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const user = { uid: 1000, gid: 1000 };
    {
      await using base = await snapshots.prepare("p");
      const entries = [
        { ...dir("home"), ...user },
        { ...dir("opt"), ...user },
        { ...file("home/f"), ...user },
        { ...symlink("f", "home/s"), ...user },
      ];
      await base.apply(stream(archive(entries)));
      await base.commit("base", { durability: "none" });
    }
    await using work = await snapshots.prepare("work", "base", {
      idmap: IDMAP,
    });
    const upper = upperOf(work);
    await work.apply(stream(archive([
      file("root"),
      { ...file("home/user"), ...user },
      { ...symlink("user", "home/to"), ...user },
      link("home/f", "copy"),
      link("home/s", "home/link"),
      file("new/file"),
      // What was below is gone, so that the directory looks like nothing.
      file("opt/f"),
      file(".wh.opt"),
    ])));
    const owners = (of: Record<string, number>) => {
      for (const [path, id] of Object.entries(of)) {
        const { uid, gid } = Deno.lstatSync(`${upper}/${path}`);
        assertEquals([path, uid, gid], [path, id, id]);
      }
    };
    const paths = {
      root: ["", "root", "new", "new/file", "opt", "opt/f"],
      user: ["home", "home/user", "home/to", "copy", "home/link"],
    };
    const all = (root: number, user: number) =>
      Object.fromEntries([
        ...paths.root.map((path) => [path, root]),
        ...paths.user.map((path) => [path, user]),
      ]);
    owners(all(1000, 100_999));
    await work.commit("layer");
    owners(all(0, 1000));
  },
);

rootTest(
  "overlay: apply(), diff() and commit() map the root of capabilities",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    const capable = (name: string) => ({
      ...file(name),
      xattrs: new Map([["security.capability", CAPABILITY]]),
    });
    await using base = await snapshots.prepare("p");
    await base.apply(stream(archive([capable("below")])));
    await base.commit("base", { durability: "none" });
    await using work = await snapshots.prepare("work", "base", {
      idmap: IDMAP,
    });
    await work.apply(
      stream(archive([capable("f"), link("below", "copy")])),
    );
    // The third version, which ends with the root that it counts for.
    const mapped = new Uint8Array(24);
    mapped.set(CAPABILITY);
    mapped[3] = 3;
    new DataView(mapped.buffer).setUint32(20, 1000, true);
    const all = (upper: string, value: Uint8Array) => {
      for (const name of ["f", "copy"]) {
        assertEquals(
          getXattr(`${upper}/${name}`, "security.capability", name),
          value,
        );
      }
    };
    all(upperOf(work), mapped);
    const { readable } = await work.diff({ compression: "none" });
    await using copy = await snapshots.prepare("copy", "base");
    await copy.apply(readable);
    all(upperOf(copy), CAPABILITY);
    await work.commit("layer");
    all(upperOf(work), CAPABILITY);
  },
);

rootTest(
  "overlay: apply() refuses an owner that an id map does not have, before anything of it is there",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    await makeBase(snapshots);
    await using work = await snapshots.prepare("work", "base", {
      idmap: IDMAP,
    });
    for (const entry of [file("f"), dir("d"), symlink("t", "s")]) {
      await assertRejects(
        () => work.apply(stream(archive([{ ...entry, uid: 65_536 }]))),
        LayerError,
        "its owner 65536:0 is not mapped",
      );
    }
    assertEquals(listOf(upperOf(work)), []);
  },
);

rootTest(
  "overlay: commit() onto a parent leaves the owners of what was written without one",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    await makeBase(snapshots);
    await using work = await snapshots.prepare("work", undefined, {
      idmap: IDMAP,
    });
    const path = `${folderOf(work)}/fs/file`;
    Deno.writeTextFileSync(path, "");
    Deno.chownSync(path, 1000, 1000);
    await work.commit("layer", { parent: "base" });
    assertEquals(Deno.lstatSync(path).uid, 1000);
  },
);

rootTest(
  "commit() makes folders look as in the parent though another applied the layer, or one before failed",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/s`;
    {
      await using one = await openOverlay({ root });
      const apply = async (
        key: string,
        ...entries: Parameters<typeof archive>[0]
      ) => {
        await using work = await one.prepare(key);
        await work.apply(stream(archive(entries)));
        work.keep();
      };
      await apply("a", dir("d/", 0o700), symlink("d", "l"));
      await one.commit("first", "a");
      await apply("b", dir("d/", 0o711));
      await one.commit("second", "b");
      await apply("work", file("d/f"));
      await apply("behind", file("l/f"));
    }
    await using other = await openOverlay({ root });
    const layers = `${root}/snapshots/overlay/layers`;
    const folderOf = (layer: string) =>
      [...Deno.readDirSync(layers)]
        .map(({ name }) => `${layers}/${name}`)
        .find((path) => readSidecar(path)?.name === layer)!;
    await assertRejects(
      () =>
        other.commitAll([
          { name: "top", key: "work", options: { parent: "first" } },
          { name: "more", key: "behind", options: { parent: "first" } },
        ]),
      RebaseError,
    );
    await other.commit("top", "work", { parent: "second" });
    const folder = folderOf("top");
    assertEquals(Deno.lstatSync(`${folder}/fs/d`).mode! & 0o7777, 0o711);
    assertEquals(
      [...Deno.readDirSync(folder)].some(({ name }) =>
        name.includes("implicit")
      ),
      false,
    );
  },
);

rootTest(
  "overlay: a commit() that fails leaves the marks and looks that another parent needs",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/s`;
    await using snapshots = await openOverlay({ root });
    const apply = async (key: string, entries: readonly TestEntry[]) => {
      await using work = await snapshots.prepare(key);
      await work.apply(stream(archive(entries)));
      work.keep();
    };
    const xattrs = new Map([["user.first", encodeText("1")]]);
    await apply("a", [{ ...dir("d/", 0o700), xattrs }, symlink("d", "l")]);
    await snapshots.commit("first", "a");
    await apply("b", [dir("d/", 0o711), file("d/x"), dir("e/"), file("e/y")]);
    await snapshots.commit("second", "b");
    await apply("work", [
      file("d/f"),
      ...[file("d/.wh.x"), file("e/.wh.y"), file("e/.wh..wh..opq")],
    ]);
    await apply("behind", [file("l/f")]);
    const layers = `${root}/snapshots/overlay/layers`;
    const content = `${layers}/3/fs`;
    // Marks are as old as they are.
    const describe = async () =>
      (await describeTree(content))
        .map((line) => line.replace(/( c 0 0:0 0) \S+/, "$1"));
    const before = await describe();
    await assertRejects(
      () =>
        snapshots.commitAll([
          { name: "top", key: "work", options: { parent: "first" } },
          { name: "more", key: "behind", options: { parent: "first" } },
        ]),
      RebaseError,
    );
    assertEquals(await describe(), before);
    await snapshots.commit("top", "work", { parent: "second" });
    await using view = await snapshots.view("view", "top");
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(view.mounts, target);
    assertEquals(
      [...Deno.readDirSync(`${target}/d`), ...Deno.readDirSync(`${target}/e`)]
        .map(({ name }) => name),
      ["f"],
    );
    assertEquals(Deno.lstatSync(`${target}/d`).mode! & 0o7777, 0o711);
    assertEquals(getXattr(`${target}/d`, "user.first", ""), undefined);
  },
);

rootTest("overlay: commit() removes no file of a folder of marks", async () => {
  await using temp = tempDir();
  await using snapshots = await openOverlay({ root: `${temp.path}/s` });
  await using work = await snapshots.prepare("work");
  await work.apply(stream(archive([file("d/.wh.x")])));
  const target = `${temp.path}/m`;
  Deno.mkdirSync(target);
  {
    await using _mounted = await mount(work.mounts, target);
    Deno.writeTextFileSync(`${target}/d/written`, "1");
  }
  await work.commit("layer");
  await using view = await snapshots.view("view", "layer");
  await using _mounted = await mount(view.mounts, target);
  assertEquals(
    [...Deno.readDirSync(`${target}/d`)].map(({ name }) => name),
    ["written"],
  );
});

rootTest(
  "overlay: commit() puts all layers that were applied on the parent",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    {
      await using base = await snapshots.prepare("a");
      await base.apply(stream(archive([dir("d", 0o700)])));
      await base.commit("base");
    }
    await using work = await snapshots.prepare("work");
    await work.apply(stream(archive([file("d/f"), file("none/.wh.x")])));
    await work.apply(stream(archive([file("e/f")])));
    await work.commit("layer", { parent: "base" });
    await using view = await snapshots.view("view", "layer");
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(view.mounts, target);
    assertEquals(
      [...Deno.readDirSync(target)].map(({ name }) => name).sort(),
      ["d", "e"],
    );
    assertEquals(Deno.lstatSync(`${target}/d`).mode! & 0o7777, 0o700);
  },
);

rootTest(
  "overlay: commit() leaves folders and links as the first of two layers has them where the second fills them",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    {
      await using base = await snapshots.prepare("a");
      await base.apply(stream(archive([
        dir("d", 0o700),
        { ...dir("t", 0o700), uid: 1000 },
      ])));
      await base.commit("base");
    }
    {
      await using work = await snapshots.prepare("work");
      await work.apply(stream(archive([dir("d", 0o711)])));
      await work.apply(stream(archive([file("d/f")])));
      await work.commit("layer", { parent: "base" });
    }
    await using view = await snapshots.view("view", "layer");
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(view.mounts, target);
    assertEquals(Deno.lstatSync(`${target}/d`).mode! & 0o7777, 0o711);
    // What it leads to is that of the parent.
    await using work = await snapshots.prepare("work");
    await work.apply(stream(archive([symlink("t", "l")])));
    await work.apply(stream(archive([file("l/f")])));
    const commit = () => work.commit("behind", { parent: "base" });
    await assertRejects(commit, RebaseError);
  },
);

rootTest(
  "overlay: commit() puts two layers on the parent as if each were on the one before",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    {
      await using base = await snapshots.prepare("a");
      const entries = [dir("d", 0o700), dir("e", 0o700), dir("e/x", 0o700)];
      await base.apply(stream(archive([...entries, file("f")])));
      await base.commit("base");
    }
    {
      await using work = await snapshots.prepare("work");
      const first = [file("d"), file("e"), dir("e"), file("f/none/.wh.x")];
      await work.apply(stream(archive(first)));
      const second = [file("d/f"), file("e/x/.wh.y"), dir("f", 0o711)];
      await work.apply(stream(archive(second)));
      await work.commit("layer", { parent: "base" });
    }
    await using view = await snapshots.view("view", "layer");
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(view.mounts, target);
    assertEquals(
      (await describeTree(target)).flatMap((line) =>
        /^(\S+ [df] \d+) /.exec(line)?.[1] ?? []
      ),
      // Folders that take the place of a file look like none below, and no mark makes one.
      ["d d 755", "d/f f 644", "e d 755", "f d 711"],
    );
  },
);

rootTest(
  "overlay: commit() and apply() refuse a layer whose record a power cut left empty",
  async () => {
    await using temp = tempDir();
    const { store, snapshots } = openParts(temp.path, overlay);
    await using _snapshots = snapshots;
    await using work = await snapshots.prepare("work");
    await work.apply(stream(archive([file("d/f")])));
    const { dir } = store.folder(store.rows.find("work")!.id);
    Deno.writeTextFileSync(`${dir}/implicit.json`, "");
    const { InvalidData } = Deno.errors;
    await assertRejects(() => work.commit("layer"), InvalidData, "cut off");
    const again = () => work.apply(stream(archive([file("d/g")])));
    await assertRejects(again, InvalidData, "cut off");
  },
);

for (const isEmpty of [false, true]) {
  rootTest(
    `overlay: open() takes back what a commit() that died made of a layer${
      isEmpty ? ", or opens it where the record of that is empty" : ""
    }`,
    async () => {
      await using temp = tempDir();
      let content: string;
      let before: string[];
      const describe = async () =>
        (await describeTree(content))
          .map((line) => line.replace(/( c 0 0:0 0) \S+/, "$1"));
      {
        const { store, driver, snapshots } = openParts(temp.path, overlay);
        await using _snapshots = snapshots;
        await (await snapshots.prepare("p")).commit("base");
        await using work = await snapshots.prepare("work");
        const marks = [file("d/.wh.x"), file("d/.wh..wh..opq")];
        await work.apply(stream(archive([file("a/f"), ...marks])));
        const row = store.rows.find("work")!;
        const place = store.place(row);
        content = `${place.dir}/fs`;
        before = await describe();
        store.rows.sealing(row.id);
        const parents = [store.folder(store.rows.find("base")!.id)];
        await driver.seal({ ...place, parents }, undefined);
        assertNotEquals(await describe(), before);
        if (isEmpty) Deno.writeTextFileSync(`${place.dir}/adopted.json`, "");
        work.keep();
      }
      const { snapshots } = openParts(temp.path, overlay);
      await using _snapshots = snapshots;
      await using _work = await snapshots.open("work");
      if (!isEmpty) assertEquals(await describe(), before);
    },
  );
}
