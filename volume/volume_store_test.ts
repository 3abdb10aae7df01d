import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { mkdirAt, openAt, OpenFlag, type Trace } from "@containerkit/libc";
import { type Mount, mount } from "@containerkit/mount";
import { lockFile } from "@containerkit/state";
import { need, rootTest, runProgram, tempDir } from "@containerkit/tests";
import { channel } from "node:diagnostics_channel";
import { MIB, open } from "./_test_store.ts";
import { type CreateVolumeOptions, openVolumes } from "./mod.ts";

rootTest(
  "VolumeStore keeps what is written from one use to the next",
  async (t) => {
    for (const kind of ["dir", "image", "tmpfs"] as const) {
      await t.step(kind, async () => {
        await using fixture = await open();
        const { volumes, show } = fixture;
        await volumes.create("data", {
          kind,
          owner: { uid: 1000, gid: 1001 },
          mode: 0o750,
          ...(kind === "dir" ? {} : { size: 16 * MIB }),
        });
        {
          await using use = await volumes.attach("data");
          await using shown = await show(use.mounts);
          const info = await Deno.stat(shown.at);
          assertEquals([info.uid, info.gid, info.mode! & 0o7777], [
            1000,
            1001,
            0o750,
          ]);
          assertEquals([...Deno.readDirSync(shown.at)], []);
          await Deno.writeTextFile(`${shown.at}/file`, "kept");
        }
        await using use = await volumes.attach("data", { readonly: true });
        await using shown = await show(use.mounts);
        assertEquals(await Deno.readTextFile(`${shown.at}/file`), "kept");
        await assertRejects(() => Deno.writeTextFile(`${shown.at}/file`, "x"));
      });
    }
  },
);

rootTest(
  "VolumeStore.close() leaves what there is to the next one",
  async () => {
    await using temp = tempDir();
    const options = { root: `${temp.path}/lib`, state: `${temp.path}/run` };
    const first = await openVolumes(options);
    await first.create("data");
    await first.close();
    await first.close();
    assertThrows(() => first.list());
    await using second = await openVolumes(options);
    assertEquals(second.list().map(({ name }) => name), ["data"]);
    await second.remove("data");
  },
);

rootTest("VolumeStore publishes what is done and how it ended", async () => {
  await using fixture = await open();
  const { volumes } = fixture;
  const seen: unknown[] = [];
  const listener = (message: unknown) => {
    const { operation, details, error } = message as Trace;
    seen.push([operation, details.volume, error instanceof Deno.errors.Busy]);
  };
  channel("containerkit:volume").subscribe(listener);
  try {
    await volumes.create("data");
    {
      await using _use = await volumes.attach("data");
      assertEquals(await volumes.prune(), []);
    }
    await volumes.remove("data");
  } finally {
    channel("containerkit:volume").unsubscribe(listener);
  }
  assertEquals(seen, [
    ["create", "data", false],
    ["attach", "data", false],
    ["remove", "data", true],
    ["detach", "data", false],
    ["remove", "data", false],
  ]);
});

rootTest(
  "VolumeStore.remove() refuses what is used, and says by whom",
  async () => {
    await using fixture = await open();
    const { volumes } = fixture;
    await volumes.create("data");
    {
      await using _use = await volumes.attach("data");
      await assertRejects(
        () => volumes.remove("data"),
        Deno.errors.Busy,
        `it is used by process ${Deno.pid}`,
      );
    }
    await volumes.remove("data");
    assertEquals(volumes.get("data"), undefined);
    await assertRejects(() => volumes.remove("data"), Deno.errors.NotFound);
  },
);

rootTest(
  "VolumeStore.create() refuses what does not fit, and leaves nothing",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    for (const name of ["", ".", "..", "a/b", "-a", "a b", "a".repeat(129)]) {
      await assertRejects(() => volumes.create(name), TypeError, "Cannot name");
    }
    await assertRejects(() => volumes.create("a", { size: MIB }), TypeError);
    await assertRejects(
      () => volumes.create("a", { kind: "image" }),
      TypeError,
    );
    await assertRejects(
      () => volumes.create("a", { kind: "image", size: 1024 }),
      RangeError,
      "ext4 needs",
    );
    await assertRejects(
      () =>
        volumes.create("a", {
          kind: "image",
          fstype: "xfs",
          size: 300 * MIB,
          inodes: 100,
        }),
      TypeError,
      "inodes",
    );
    await assertRejects(
      () => volumes.create("a", { kind: "tmpfs", size: -1 }),
      RangeError,
    );
    for (const id of [NaN, -1, 0.5, 2 ** 32 - 1, 2 ** 33]) {
      for (const owner of [{ uid: id, gid: 0 }, { uid: 0, gid: id }]) {
        await assertRejects(() => volumes.create("a", { owner }), RangeError);
      }
    }
    await assertRejects(
      () => volumes.create("a", { mode: 0o10755 }),
      RangeError,
    );
    await assertRejects(
      () => volumes.create("a", { kind: "foreign" }),
      TypeError,
    );
    const none = { key: "a", mounts: [] };
    for (
      const options of [
        { kind: "foreign", mounts: [] },
        { kind: "view", snapshot: none },
      ] as const
    ) {
      await assertRejects(
        () => volumes.create("a", options),
        TypeError,
        "at least one mount",
      );
    }
    await assertRejects(
      () => volumes.create("a", { kind: "subvolume" }),
      Deno.errors.NotSupported,
      'the kind "image"',
    );
    await assertRejects(
      () => volumes.create("a", { kind: "quota", size: MIB }),
      Deno.errors.NotSupported,
      'the kind "image"',
    );
    assertEquals(volumes.list(), []);
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data`)], []);
    await volumes.create("a");
    await assertRejects(() => volumes.create("a"), Deno.errors.AlreadyExists);
  },
);

rootTest("VolumeStore.clone() has the image on the disk", async () => {
  await using fixture = await open();
  const { volumes, path } = fixture;
  await volumes.create("data", { kind: "image", size: 16 * MIB });
  const { prototype } = Deno.FsFile;
  const { sync } = prototype;
  const synced: (number | null)[] = [];
  prototype.sync = function () {
    synced.push(this.statSync().ino);
    return sync.call(this);
  };
  try {
    await volumes.clone("data", "copy");
  } finally {
    prototype.sync = sync;
  }
  const { ino } = Deno.statSync(`${path}/lib/volumes/data/2/image`);
  assertEquals(synced.includes(ino), true);
});

rootTest(
  "VolumeStore.clone() of an image ends when it is aborted, and lets writes go on",
  async () => {
    await using fixture = await open();
    const { volumes, path, show } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    await using use = await volumes.attach("data");
    await using shown = await show(use.mounts);
    const bin = `${path}/bin`;
    await Deno.mkdir(bin);
    // Takes as long as copying a large one.
    await Deno.writeTextFile(`${bin}/cp`, "#!/bin/sh\nexec sleep 20\n", {
      mode: 0o755,
    });
    const before = Deno.env.get("PATH")!;
    Deno.env.set("PATH", `${bin}:${before}`);
    try {
      await assertRejects(
        () =>
          volumes.clone("data", "copy", { signal: AbortSignal.timeout(200) }),
        DOMException,
      );
    } finally {
      Deno.env.set("PATH", before);
    }
    await Deno.writeTextFile(`${shown.at}/file`, "");
    assertEquals(volumes.list().map(({ name }) => name), ["data"]);
  },
  need("mkfs.ext4"),
);

rootTest(
  "VolumeStore.clone() copies what is there, in use or not",
  async (t) => {
    const cases: Record<string, CreateVolumeOptions> = {
      dir: { kind: "dir" },
      ext4: { kind: "image", size: 16 * MIB },
      xfs: { kind: "image", fstype: "xfs", size: 300 * MIB },
      tmpfs: { kind: "tmpfs", size: 16 * MIB },
    };
    for (const [name, options] of Object.entries(cases)) {
      await t.step(name, async () => {
        await using fixture = await open();
        const { volumes, show } = fixture;
        await volumes.create("one", options);
        await using use = await volumes.attach("one");
        await using shown = await show(use.mounts);
        await Deno.writeTextFile(`${shown.at}/file`, "copied");
        await volumes.clone("one", "two", { readonly: true });
        await Deno.writeTextFile(`${shown.at}/file`, "changed");
        await using copy = await volumes.attach("two");
        await using other = await show(copy.mounts);
        assertEquals(await Deno.readTextFile(`${other.at}/file`), "copied");
        await assertRejects(() => Deno.writeTextFile(`${other.at}/file`, "x"));
      });
    }
  },
);

rootTest(
  "VolumeStore keeps volumes elsewhere as foreign, and snapshots as views",
  async () => {
    await using fixture = await open();
    const { volumes, show, path } = fixture;
    await Deno.mkdir(`${path}/elsewhere`);
    const bind: Mount = { type: "bind", source: `${path}/elsewhere` };
    await volumes.create("foreign", { kind: "foreign", mounts: [bind] });
    await volumes.create("view", {
      kind: "view",
      snapshot: { key: "snap", mounts: [bind] },
    });
    {
      await using use = await volumes.attach("foreign");
      await using shown = await show(use.mounts);
      await Deno.writeTextFile(`${shown.at}/file`, "there");
    }
    await using use = await volumes.attach("view");
    await using shown = await show(use.mounts);
    assertEquals(await Deno.readTextFile(`${shown.at}/file`), "there");
    await assertRejects(() => Deno.writeTextFile(`${shown.at}/file`, "x"));
    assertEquals(
      await Array.fromAsync(volumes.collectable.references("view")),
      [{ type: "snapshot/overlay", id: "snap" }],
    );
  },
);

rootTest(
  "VolumeStore.clone() says that it cannot, whether the volume can be mounted or not",
  async () => {
    await using fixture = await open();
    const { volumes } = fixture;
    const gone: Mount = { type: "bind", source: "/none" };
    await volumes.create("foreign", { kind: "foreign", mounts: [gone] });
    await assertRejects(
      () => volumes.clone("foreign", "copy"),
      Deno.errors.NotSupported,
      'Cannot clone volume "foreign": a volume of kind "foreign" is kept elsewhere',
    );
    await assertRejects(
      () => volumes.clone("none", "copy"),
      Deno.errors.NotFound,
      'Cannot clone volume "none": there is no such volume',
    );
  },
);

rootTest(
  "VolumeStore.usage() counts each file once, at any depth and by any name",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    const root = `${path}/lib/volumes/data/1`;
    const before = await volumes.usage("data");
    assertEquals([before.inodes, before.counted], [1, "walk"]);
    await runProgram("sh", [
      "-ec",
      'cd "$1"; name=$(printf "\\377"); head -c 65536 /dev/zero >"$name"; ln "$name" other',
      "sh",
      root,
    ]);
    // Longer than a path may be.
    const name = "d".repeat(200);
    let folder = openAt(undefined, root, OpenFlag.DIRECTORY);
    for (let level = 0; level < 25; level++) {
      mkdirAt(folder, name);
      using _parent = folder;
      folder = openAt(folder, name, OpenFlag.DIRECTORY);
    }
    folder.close();
    await Deno.mkdir(`${root}/elsewhere`);
    const elsewhere = await mount(
      { type: "tmpfs" },
      `${root}/elsewhere`,
    );
    await Deno.writeTextFile(`${root}/elsewhere/file`, "");
    const { bytes, inodes } = await volumes.usage("data");
    assertEquals(inodes, 27);
    assert(bytes >= 65536 && bytes < 2 * 65536 + 25 * 4096, String(bytes));
    await elsewhere.unmount();
    await volumes.remove("data");
  },
);

rootTest(
  "VolumeStore.list() chooses by kind and labels, prune() what nobody uses",
  async () => {
    await using fixture = await open();
    const { volumes } = fixture;
    await volumes.create("a", { labels: { app: "x" } });
    await volumes.create("b", { labels: { app: "y" }, lease: "l" });
    volumes.setLabels("a", { app: "z" });
    assertEquals(
      volumes.list({ labels: { app: "z" } }).map(({ name }) => name),
      ["a"],
    );
    assertEquals(volumes.list({ kind: "image" }), []);
    assertThrows(() => volumes.setLabels("c", {}), Deno.errors.NotFound);
    await using _use = await volumes.attach("a");
    const items = await Array.fromAsync(volumes.collectable.list());
    // What somebody named is kept; what was made under a lease goes with it.
    assertEquals(items.map(({ id, lease, root }) => [id, lease, root]), [
      ["a", undefined, true],
      ["b", "l", undefined],
    ]);
    assertEquals(await volumes.collectable.remove("a"), false);
    assertEquals(await volumes.prune(), ["b"]);
    assertEquals(await volumes.collectable.remove("b"), false);
  },
);

rootTest(
  "VolumeStore.prune() goes on where a volume cannot be removed",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    for (const name of ["a", "b", "c"]) await volumes.create(name);
    {
      // A mount keeps its folder where it is.
      const busy = `${path}/lib/volumes/data/2`;
      await using _busy = await mount({ type: "tmpfs" }, busy);
      const error = await assertRejects(() => volumes.prune());
      assertInstanceOf(error, AggregateError);
      assertEquals(error.errors.length, 1);
    }
    assertEquals(volumes.list(), []);
    await volumes.remove("b");
  },
);

rootTest(
  "VolumeStore.remove() and prune() end with their signal, and another call goes on",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    for (
      const call of [
        () => volumes.remove("data", { signal }),
        () => volumes.prune({}, { signal }),
      ]
    ) assertEquals(await assertRejects(call), reason);
    assertEquals(volumes.get("data")?.name, "data");

    const controller = new AbortController();
    const lock = await lockFile(`${path}/run/volumes/1.lock`);
    const pruned = volumes.prune({}, { signal: controller.signal });
    assertEquals(volumes.list(), []);
    controller.abort(reason);
    assertEquals(await assertRejects(() => pruned), reason);
    lock.close();
    await volumes.remove("data");
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data`)], []);
  },
  need("mkfs.ext4"),
);

rootTest(
  "VolumeStore never removes what is mounted in a volume",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    const folder = `${path}/lib/volumes/data/1`;
    const elsewhere = `${path}/elsewhere`;
    await Deno.mkdir(elsewhere);
    await Deno.writeTextFile(`${elsewhere}/file`, "not the volume's");
    const mountIn = async (folder: string) => {
      await Deno.mkdir(`${folder}/in`, { recursive: true });
      return await mount({ type: "bind", source: elsewhere }, `${folder}/in`);
    };
    const isThere = () =>
      assertEquals(
        Deno.readTextFileSync(`${elsewhere}/file`),
        "not the volume's",
      );
    await volumes.create("data");
    {
      await using stack = new AsyncDisposableStack();
      const { errors } = await assertRejects(
        () =>
          volumes.populate("data", async (root) => {
            stack.use(await mountIn(root));
            throw new Error("no more");
          }),
        AggregateError,
      );
      isThere();
      assertEquals(
        errors[1].message,
        `Cannot empty "${folder}": "${folder}/in" is mounted in it`,
      );
    }
    {
      await using _mounted = await mountIn(folder);
      await assertRejects(
        () => volumes.remove("data"),
        Deno.errors.Busy,
        `Cannot remove volume "data": "${folder}/in" is mounted in it`,
      );
      assertEquals(await volumes.prune(), []);
      assertEquals(volumes.get("data")?.name, "data");
      isThere();
    }
    {
      // Of a removal that died.
      await using _mounted = await mountIn(`${path}/lib/volumes/trash/7-x`);
      await using _again = await openVolumes({
        root: `${path}/lib`,
        state: `${path}/run`,
      });
      isThere();
    }
    await volumes.remove("data");
  },
);

rootTest(
  "openVolumes() takes a relative path, and one with links",
  async () => {
    await using fixture = await open();
    const { path, show } = fixture;
    await Deno.mkdir(`${path}/real`);
    await Deno.symlink("real", `${path}/link`);
    const before = Deno.cwd();
    Deno.chdir(path);
    try {
      await using volumes = await openVolumes({
        root: "link/lib",
        state: "link/run",
      });
      Deno.chdir(before);
      for (const kind of ["dir", "tmpfs"] as const) {
        await volumes.create(kind, { kind });
        await using use = await volumes.attach(kind);
        const [mount] = use.mounts;
        assert(
          mount?.type === "bind" && mount.source.startsWith(`${path}/real/`),
        );
        await using _shown = await show(use.mounts);
      }
      await volumes.prune();
    } finally {
      Deno.chdir(before);
    }
  },
);

rootTest("openVolumes() settles what a dead process left", async () => {
  await using fixture = await open();
  const { volumes, path } = fixture;
  await volumes.create("filling");
  await volumes.create("removing");
  const script = `
    import { openVolumes } from "@containerkit/volume";
    const volumes = await openVolumes({ root: Deno.args[0] + "/lib", state: Deno.args[0] + "/run" });
    await volumes.create("kept", { kind: "dir" });
    await volumes.attach("kept");
    await volumes.populate("filling", async (root) => {
      await Deno.writeTextFile(root + "/half", "");
      Deno.kill(Deno.pid, "SIGKILL");
      await new Promise(() => {});
    });
  `;
  const { signal } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script, path],
    cwd: new URL("..", import.meta.url).pathname,
    stdin: "null",
  }).output();
  assertEquals(signal, "SIGKILL");
  await using again = await openVolumes({
    root: `${path}/lib`,
    state: `${path}/run`,
  });
  assertEquals(again.get("filling")?.populated, false);
  assertEquals((await again.usage("filling")).inodes, 1);
  // The attachment died with its process.
  await again.remove("kept");
});
