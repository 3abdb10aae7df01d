import { statFs } from "@containerkit/libc";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Mount, mount } from "@containerkit/mount";
import { need, rootTest, runProgram, tempDir } from "@containerkit/tests";
import { openVolumes, type VolumeStore } from "./mod.ts";

const MIB = 1024 * 1024;

interface Fixture extends AsyncDisposable {
  readonly volumes: VolumeStore;
  readonly path: string;
  /** Mounts what an attachment gives, and gives the place. */
  show(mounts: readonly Mount[]): Promise<{ at: string } & AsyncDisposable>;
}

async function open(base?: string): Promise<Fixture> {
  const temp = tempDir(base === undefined ? {} : { dir: base });
  const volumes = await openVolumes({
    root: `${temp.path}/lib`,
    state: `${temp.path}/run`,
  });
  return {
    volumes,
    path: temp.path,
    async show(mounts) {
      const at = await Deno.makeTempDir({ dir: temp.path });
      const mounted = await mount(mounts, at);
      return { at, [Symbol.asyncDispose]: () => mounted.unmount() };
    },
    async [Symbol.asyncDispose]() {
      await volumes.prune();
      await volumes[Symbol.asyncDispose]();
      temp[Symbol.dispose]();
    },
  };
}

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
  "VolumeStore.attach() shows one image to two users at once",
  async () => {
    await using fixture = await open();
    const { volumes, show } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    await using first = await volumes.attach("data");
    await using a = await show(first.mounts);
    {
      await using second = await volumes.attach("data");
      await using b = await show(second.mounts);
      await Deno.writeTextFile(`${a.at}/file`, "shared");
      assertEquals(await Deno.readTextFile(`${b.at}/file`), "shared");
    }
    assertEquals(await Deno.readTextFile(`${a.at}/file`), "shared");
  },
);

rootTest(
  "VolumeStore.attach() never mounts an image a second time, wherever else it still is",
  async () => {
    await using fixture = await open();
    const { volumes, show, path } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    const first = await volumes.attach("data");
    await Deno.mkdir(`${path}/other`);
    // Shown by somebody else, where this process sees nothing of it.
    await using other = new Deno.Command("unshare", {
      args: [
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        'mount --bind "$1" "$2"; echo up; cat',
        "sh",
        `${path}/run/volumes/1`,
        `${path}/other`,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    for await (const _ of other.stdout) break;
    await first[Symbol.asyncDispose]();
    {
      await using second = await volumes.attach("data");
      await using shown = await show(second.mounts);
      await Deno.writeTextFile(`${shown.at}/file`, "one filesystem");
      assertEquals(
        await Deno.readTextFile(`/proc/${other.pid}/root${path}/other/file`),
        "one filesystem",
      );
    }
    assertEquals(
      await volumes.resize("data", { size: 17 * MIB }).then(
        () => "grown",
        (error) => error.constructor.name,
      ),
      canGrowMounted() ? "grown" : "NotSupported",
    );
    await other.stdin.close();
    await other.status;
    await volumes.remove("data");
  },
  need("unshare", "mkfs.ext4"),
);

rootTest("VolumeStore.attach() confines a subpath to the volume", async () => {
  await using fixture = await open();
  const { volumes, show, path } = fixture;
  await volumes.create("data");
  await Deno.mkdir(`${path}/outside`);
  await volumes.populate("data", async (root) => {
    await Deno.mkdir(`${root}/inside`);
    await Deno.writeTextFile(`${root}/inside/file`, "in");
    await Deno.symlink(`${path}/outside`, `${root}/link`);
  });
  await using use = await volumes.attach("data", { subpath: "inside" });
  await using shown = await show(use.mounts);
  assertEquals(await Deno.readTextFile(`${shown.at}/file`), "in");
  for (const subpath of ["../../..", "link"]) {
    await using climbing = await volumes.attach("data", { subpath });
    await assertRejects(async () => {
      await using shown = await show(climbing.mounts);
      // A path that climbs ends at the volume's own root.
      assertEquals(
        [...Deno.readDirSync(shown.at)].map(({ name }) => name).sort(),
        ["inside", "link"],
      );
      throw new Error("it stayed inside");
    });
  }
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

rootTest("AttachedVolume.keep() leaves it to detach()", async () => {
  await using fixture = await open();
  const { volumes } = fixture;
  await volumes.create("data", { kind: "image", size: 16 * MIB });
  const use = await volumes.attach("data");
  use.keep();
  await use[Symbol.asyncDispose]();
  await assertRejects(() => volumes.remove("data"), Deno.errors.Busy);
  await volumes.detach(use.id);
  await volumes.detach(use.id);
  await volumes.remove("data");
});

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
      () => volumes.create("a", { kind: "tmpfs", size: -1 }),
      RangeError,
    );
    await assertRejects(
      () => volumes.create("a", { kind: "foreign" }),
      TypeError,
    );
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

rootTest("VolumeStore.populate() fills once, however many ask", async () => {
  await using fixture = await open();
  const { volumes } = fixture;
  await volumes.create("data", { kind: "image", size: 16 * MIB });
  let calls = 0;
  const fill = async (root: string) => {
    calls++;
    await Deno.writeTextFile(`${root}/file`, String(calls));
  };
  const results = await Promise.all(
    [1, 2, 3].map(() => volumes.populate("data", fill)),
  );
  assertEquals(results.filter(Boolean).length, 1);
  assertEquals(calls, 1);
  assertEquals(volumes.get("data")?.populated, true);
});

rootTest(
  "VolumeStore.populate() empties the volume again when it fails",
  async () => {
    await using fixture = await open();
    const { volumes } = fixture;
    await volumes.create("data");
    await assertRejects(
      () =>
        volumes.populate("data", async (root) => {
          await Deno.writeTextFile(`${root}/half`, "");
          await assertRejects(() => volumes.attach("data"), Deno.errors.Busy);
          await assertRejects(() => volumes.remove("data"), Deno.errors.Busy);
          throw new Error("no more");
        }),
      Error,
      "no more",
    );
    const { inodes } = await volumes.usage("data");
    assertEquals(inodes, 1);
    assertEquals(
      await volumes.populate("data", (root) => Deno.mkdir(`${root}/d`)),
      true,
    );
  },
);

/** Whether ext4 may grow while it is mounted. */
function canGrowMounted(): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const effective = BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(status)![1]}`);
  const CAP_SYS_RESOURCE = 24n;
  return (effective >> CAP_SYS_RESOURCE & 1n) === 1n;
}

rootTest(
  "VolumeStore.resize() grows, in use or not, and refuses to go below",
  async (t) => {
    const cases = [
      { name: "ext4", kind: "image", fstype: "ext4", size: 16 * MIB },
      { name: "xfs", kind: "image", fstype: "xfs", size: 300 * MIB },
      { name: "tmpfs", kind: "tmpfs", size: 4 * MIB },
    ] as const;
    for (const { name, size, ...options } of cases) {
      await t.step(name, async () => {
        await using fixture = await open();
        const { volumes, show } = fixture;
        await volumes.create("data", { ...options, size });
        await volumes.resize("data", { size: 2 * size });
        await using use = await volumes.attach("data");
        await using shown = await show(use.mounts);
        await Deno.writeFile(`${shown.at}/file`, new Uint8Array(3 * MIB));
        await assertRejects(
          () => volumes.resize("data", { size: MIB }),
          RangeError,
          "Cannot resize",
        );
        if (name === "ext4" && !canGrowMounted()) {
          await assertRejects(
            () => volumes.resize("data", { size: 3 * size }),
            Deno.errors.NotSupported,
            "CAP_SYS_RESOURCE",
          );
          assertEquals(volumes.get("data")?.size, 2 * size);
          return;
        }
        const { size: now } = await volumes.resize("data", { size: 3 * size });
        assertEquals(now, 3 * size);
        assert(statFs(shown.at).size > 2 * size);
      });
    }
  },
);

rootTest("VolumeStore.resize() says which kinds have a limit", async () => {
  await using fixture = await open();
  await fixture.volumes.create("dir");
  await assertRejects(
    () => fixture.volumes.resize("dir", { size: MIB }),
    Deno.errors.NotSupported,
    '"image"',
  );
});

rootTest(
  "VolumeStore.clone() copies what is there, in use or not",
  async (t) => {
    for (const kind of ["dir", "image", "tmpfs"] as const) {
      await t.step(kind, async () => {
        await using fixture = await open();
        const { volumes, show } = fixture;
        await volumes.create("one", {
          kind,
          ...(kind === "dir" ? {} : { size: 16 * MIB }),
        });
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

rootTest("VolumeStore.lock() excludes and shares", async () => {
  await using fixture = await open();
  const { volumes } = fixture;
  await volumes.create("data");
  {
    using _one = await volumes.lock("data", { exclusive: false });
    using _two = await volumes.lock("data", { exclusive: false });
    await assertRejects(
      () => volumes.lock("data", { signal: AbortSignal.timeout(20) }),
      DOMException,
    );
  }
  using _alone = await volumes.lock("data");
});

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
    assertEquals(await volumes.prune(), ["b"]);
  },
);

rootTest(
  "VolumeStore limits subvolumes of btrfs, and clones them at once",
  async () => {
    using temp = tempDir();
    await runProgram("truncate", ["-s", "256M", `${temp.path}/disk`]);
    await runProgram("mkfs.btrfs", ["-q", `${temp.path}/disk`]);
    await Deno.mkdir(`${temp.path}/btrfs`);
    await using _mounted = await mount(
      { type: "image", source: `${temp.path}/disk`, fstype: "btrfs" },
      `${temp.path}/btrfs`,
    );
    await runProgram("btrfs", ["quota", "enable", `${temp.path}/btrfs`]);
    await using fixture = await open(`${temp.path}/btrfs`);
    const { volumes, show } = fixture;
    await volumes.create("one", { kind: "subvolume", size: 8 * MIB });
    await using use = await volumes.attach("one");
    await using shown = await show(use.mounts);
    await Deno.writeTextFile(`${shown.at}/file`, "copied");
    await assertRejects(
      () => Deno.writeFile(`${shown.at}/big`, new Uint8Array(16 * MIB)),
      Error,
      "quota exceeded",
    );
    await volumes.clone("one", "two");
    await using copy = await volumes.attach("two");
    await using other = await show(copy.mounts);
    assertEquals(await Deno.readTextFile(`${other.at}/file`), "copied");
    assert((await volumes.usage("one")).bytes > 0);
  },
  need("mkfs.btrfs", "btrfs"),
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
