import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { statFs } from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import { createSubvolume } from "@containerkit/mount/btrfs";
import {
  fillDisk,
  need,
  quotasMissing,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { lockFile, openState } from "@containerkit/state";
import { MIGRATIONS } from "./_schema.ts";
import { canGrowMounted, type Fixture, MIB, open } from "./_test_store.ts";
import { openVolumes } from "./mod.ts";

/** How large the file of the first volume is. */
function imageSize({ path }: Fixture): number {
  return Deno.statSync(`${path}/lib/volumes/data/1/image`).size;
}

rootTest(
  "VolumeStore.resize() goes by the size that the image has when its turn comes",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    const other = await lockFile(`${path}/run/volumes/1.lock`);
    const resized = volumes.resize("data", { size: 24 * MIB });
    const refused = assertRejects(() => resized, RangeError, `${32 * MIB}`);
    // As another process does that has the lock.
    await Deno.truncate(`${path}/lib/volumes/data/1/image`, 32 * MIB);
    {
      using state = openState(`${path}/lib/volumes/state.db`, {
        migrations: MIGRATIONS,
      });
      state.prepare("UPDATE volumes SET size = ?").run(32 * MIB);
    }
    other.close();
    await refused;
    assertEquals(imageSize(fixture), 32 * MIB);
    assertEquals(volumes.get("data")?.size, 32 * MIB);
  },
);

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
          assertEquals(imageSize(fixture), 2 * size);
          return;
        }
        const { size: now } = await volumes.resize("data", { size: 3 * size });
        assertEquals(now, 3 * size);
        assert(statFs(shown.at).size > 2 * size);
      });
    }
  },
);

rootTest(
  "VolumeStore.resize() loses nothing of an image that a power cut left with a journal",
  async () => {
    await using fixture = await open();
    const { volumes, show, path } = fixture;
    const image = `${path}/lib/volumes/data/1/image`;
    await volumes.create("data", { kind: "image", size: 32 * MIB });
    const names = Array.from({ length: 500 }, (_, number) => `${number}`);
    {
      await using use = await volumes.attach("data");
      await using shown = await show(use.mounts);
      Deno.mkdirSync(`${shown.at}/old`);
      for (const name of names) {
        Deno.writeTextFileSync(`${shown.at}/old/${name}`, name);
      }
      await runProgram("sync", ["-f", shown.at]);
      // It is in the journal alone.
      Deno.renameSync(`${shown.at}/old`, `${shown.at}/new`);
      await runProgram("sync", ["-f", shown.at]);
      Deno.copyFileSync(image, `${path}/cut`);
    }
    Deno.renameSync(`${path}/cut`, image);
    await volumes.resize("data", { size: 64 * MIB });
    assertEquals(imageSize(fixture), 64 * MIB);
    await runProgram("e2fsck", ["-f", "-n", image]);
    await using use = await volumes.attach("data");
    await using shown = await show(use.mounts);
    for (const name of names) {
      assertEquals(Deno.readTextFileSync(`${shown.at}/new/${name}`), name);
    }
    assert(statFs(shown.at).size > 32 * MIB);
  },
  need("mkfs.ext4"),
);

rootTest(
  "VolumeStore.resize() waits for a resize() that is under way, whatever the kind",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    // Of the kinds that are not mounted each does the same up to there.
    await volumes.create("data");
    {
      using _other = await lockFile(`${path}/lib/volumes/locks/1.resize`);
      const signal = AbortSignal.timeout(20);
      await assertRejects(
        () => volumes.resize("data", { size: MIB, signal }),
        DOMException,
      );
    }
    await assertRejects(
      () => volumes.resize("data", { size: MIB }),
      Deno.errors.NotSupported,
    );
    await volumes.remove("data");
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/locks`)], []);
  },
);

rootTest(
  "VolumeStore has programs speak the language that it reads",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    const bin = `${path}/bin`;
    await Deno.mkdir(bin);
    await Deno.writeTextFile(
      `${bin}/mkfs.ext4`,
      `#!/bin/sh\necho "LC_ALL=$LC_ALL" >&2; exit 1\n`,
      { mode: 0o755 },
    );
    const before = Deno.env.get("PATH")!;
    Deno.env.set("PATH", `${bin}:${before}`);
    try {
      await assertRejects(
        () => volumes.create("data", { kind: "image", size: 16 * MIB }),
        Error,
        "LC_ALL=C",
      );
    } finally {
      Deno.env.set("PATH", before);
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
  "VolumeStore limits subvolumes of btrfs, and clones them at once",
  async (t) => {
    using temp = tempDir();
    await runProgram("truncate", ["-s", "256M", `${temp.path}/disk`]);
    await runProgram("mkfs.btrfs", ["-q", `${temp.path}/disk`]);
    await Deno.mkdir(`${temp.path}/btrfs`);
    await using _mounted = await mount(
      { type: "image", source: `${temp.path}/disk`, fstype: "btrfs" },
      `${temp.path}/btrfs`,
    );
    await t.step("not without its quotas", async () => {
      await using fixture = await open(`${temp.path}/btrfs`);
      const { volumes, path } = fixture;
      for (const kind of ["subvolume", "quota"] as const) {
        await assertRejects(
          () => volumes.create("one", { kind, size: 8 * MIB }),
          Deno.errors.NotSupported,
          'the kind "image"',
        );
        await assertRejects(
          () => volumes.create("one", { kind, inodes: 10 }),
          TypeError,
          'the kind "image"',
        );
      }
      assertEquals(volumes.list(), []);
      assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data`)], []);
    });
    await runProgram("btrfs", ["quota", "enable", `${temp.path}/btrfs`]);
    for (const kind of ["subvolume", "quota"] as const) {
      await t.step(kind, async () => {
        await using fixture = await open(`${temp.path}/btrfs`);
        const { volumes, show } = fixture;
        await volumes.create("one", { kind, size: 8 * MIB });
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
        const { bytes, counted } = await volumes.usage("one");
        assert(bytes > 0);
        assertEquals(counted, "kernel");
      });
    }
    await t.step("removes one with others in it", async () => {
      await using fixture = await open(`${temp.path}/btrfs`);
      const { volumes, path } = fixture;
      await volumes.create("data", { kind: "subvolume" });
      const root = `${path}/lib/volumes/data/1/data`;
      await Deno.mkdir(`${root}/folder`);
      createSubvolume(`${root}/folder/one`);
      await volumes.remove("data");
      assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data`)], []);
    });
  },
  need("mkfs.btrfs", "btrfs"),
);

for (const fstype of ["ext4", "xfs"] as const) {
  rootTest(
    `VolumeStore limits folders by project quotas of ${fstype}`,
    async () => {
      using temp = tempDir();
      await runProgram("truncate", ["-s", "400M", `${temp.path}/disk`]);
      await runProgram(`mkfs.${fstype}`, [
        "-q",
        ...(fstype === "ext4"
          ? ["-O", "project,quota", "-E", "quotatype=prjquota"]
          : []),
        `${temp.path}/disk`,
      ]);
      await Deno.mkdir(`${temp.path}/fs`);
      await using _mounted = await mount({
        type: "image",
        source: `${temp.path}/disk`,
        fstype,
        options: ["prjquota"],
      }, `${temp.path}/fs`);
      await using fixture = await open(`${temp.path}/fs`);
      const { volumes, show } = fixture;
      await volumes.create("one", { kind: "quota", size: 8 * MIB, inodes: 20 });
      await volumes.create("two", { kind: "quota", size: 8 * MIB });
      {
        await using use = await volumes.attach("one");
        await using shown = await show(use.mounts);
        // ext4 holds nobody to a limit who has this capability; containers do not have it.
        const write = (name: string, size: number) =>
          runProgram("setpriv", [
            "--bounding-set=-sys_resource",
            "dd",
            "if=/dev/zero",
            `of=${shown.at}/${name}`,
            "bs=65536",
            `count=${size / 65536}`,
          ]);
        await write("file", 4 * MIB);
        assert((await volumes.usage("one")).bytes >= 4 * MIB);
        assertEquals((await volumes.usage("one")).counted, "kernel");
        const { message } = await assertRejects(
          () => write("big", 8 * MIB),
          Error,
        );
        assertMatch(message, /quota exceeded|No space left/);
        await Deno.remove(`${shown.at}/big`);
        await assertRejects(
          () => volumes.resize("one", { size: MIB }),
          RangeError,
          "it holds",
        );
        await assertRejects(
          () => volumes.resize("one", { inodes: 1 }),
          RangeError,
          "it holds",
        );
        await volumes.resize("one", { size: 32 * MIB });
        await write("big", 16 * MIB);
        await assertRejects(async () => {
          for (let file = 0; file < 20; file++) await write(`f${file}`, 0);
        });
        // Each volume has a limit of its own, and a copy the same.
        assert((await volumes.usage("two")).bytes < MIB);
      }
      await volumes.clone("one", "three");
      assert((await volumes.usage("three")).bytes >= 20 * MIB);
      assertEquals(volumes.get("three")?.size, 32 * MIB);
      // Nor is the first of another store the first of this one.
      await using other = await open(`${temp.path}/fs`);
      await other.volumes.create("one", { kind: "quota", size: 8 * MIB });
      assert((await other.volumes.usage("one")).bytes < MIB);
      await other.volumes.remove("one");
      for (const name of ["one", "two", "three"]) await volumes.remove(name);
    },
    need(`mkfs.${fstype}`, "setpriv") ?? quotasMissing(),
  );
}

rootTest(
  "VolumeStore says when there is no space left, and leaves nothing",
  async () => {
    using temp = tempDir();
    await using _small = await mount(
      { type: "tmpfs", size: 8 * MIB },
      temp.path,
    );
    await using fixture = await open(temp.path);
    const { volumes, path } = fixture;
    await volumes.create("data");
    await assertRejects(
      () =>
        volumes.populate(
          "data",
          (root) => Deno.writeFile(`${root}/big`, new Uint8Array(16 * MIB)),
        ),
      Error,
      "No space left",
    );
    assertEquals((await volumes.usage("data")).inodes, 1);
    await volumes.populate(
      "data",
      (root) => Deno.writeFile(`${root}/big`, new Uint8Array(5 * MIB)),
    );
    await assertRejects(
      () => volumes.clone("data", "copy"),
      Error,
      "No space left",
    );
    assertEquals(
      volumes.list().map(({ name }) => name),
      ["data"],
    );
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data`)].length, 1);
  },
);

rootTest(
  "VolumeStore.remove() and openVolumes() work on a disk that is full",
  async () => {
    using temp = tempDir();
    await using _small = await mount(
      { type: "tmpfs", size: 8 * MIB },
      temp.path,
    );
    const open = () =>
      openVolumes({ root: `${temp.path}/lib`, state: `${temp.path}/run` });
    await using stack = new AsyncDisposableStack();
    const first = stack.use(await open());
    await first.create("data");
    await first.create("more");
    await using use = await first.attach("data");
    {
      // Of a process that died.
      using state = openState(`${temp.path}/lib/volumes/state.db`, {
        migrations: MIGRATIONS,
      });
      state.prepare(
        "INSERT INTO attachments (id, volume, boot) SELECT 'dead', id, '' FROM volumes WHERE name = 'data'",
      ).run();
    }
    fillDisk(temp.path);
    const items = await Array.fromAsync(first.collectable.list());
    assertEquals(items.map(({ id }) => id), ["data", "more"]);
    await assertRejects(
      () => first.create("other"),
      Error,
      `Cannot write state "${temp.path}/lib/volumes/state.db"`,
    );
    await use[Symbol.asyncDispose]();
    await first.remove("data");
    await stack.disposeAsync();
    // It has some room again, which it sets aside.
    await using second = await open();
    await second[Symbol.asyncDispose]();
    fillDisk(temp.path);
    await using third = await open();
    assertEquals(await third.prune(), ["more"]);
    await third[Symbol.asyncDispose]();
    fillDisk(temp.path);
    // It was used up.
    const error = await assertRejects(open, Error, "no room on the disk");
    assert(!(error instanceof Deno.errors.InvalidData));
  },
);
