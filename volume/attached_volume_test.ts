import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  isMountPoint,
  type Mount,
  mount,
  statMount,
} from "@containerkit/mount";
import { bootId, lockFile, openState } from "@containerkit/state";
import { need, rootTest, tempDir } from "@containerkit/tests";
import { MIGRATIONS } from "./_schema.ts";
import { canGrowMounted, MIB, open } from "./_test_store.ts";
import { openVolumes } from "./mod.ts";

/** A process with mounts of its own. */
async function sleeper(): Promise<{ pid: number } & AsyncDisposable> {
  const child = new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", "echo up; exec sleep 1000"],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  // It is there once it says so.
  await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

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

rootTest(
  "VolumeStore.attach() mounts it when the last user has unmounted it",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    const staged = `${path}/run/volumes/1`;
    const other = await lockFile(`${staged}.lock`);
    const attached = volumes.attach("data");
    // It has begun to wait.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const left of [staged, `${staged}.lock`]) {
      await Deno.remove(left).catch(() => {});
    }
    other.close();
    await using _use = await attached;
    assertEquals(isMountPoint(staged), true);
  },
  need("mkfs.ext4"),
);

rootTest(
  "VolumeStore.attach() does not wait for a usage() or clone() of the volume",
  async (t) => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    const attach = async (name: string) => {
      const signal = AbortSignal.timeout(10_000);
      await using _use = await volumes.attach(name, { signal });
    };
    /** Does something while a program that takes its time stands in for another. */
    const beside = async (
      program: string,
      start: () => Promise<unknown>,
      name: string,
    ) => {
      const bin = `${path}/${program}`;
      await Deno.mkdir(bin);
      await Deno.writeTextFile(
        `${bin}/${program}`,
        `#!/bin/sh\n: >${bin}/begun; until [ -e ${bin}/go ]; do sleep 0.01; done; echo 1\n`,
        { mode: 0o755 },
      );
      const before = Deno.env.get("PATH")!;
      Deno.env.set("PATH", `${bin}:${before}`);
      try {
        const started = start();
        while (
          await Deno.stat(`${bin}/begun`).catch(() => undefined) === undefined
        ) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        try {
          await attach(name);
        } finally {
          await Deno.writeTextFile(`${bin}/go`, "");
          await started;
        }
      } finally {
        Deno.env.set("PATH", before);
      }
    };
    await t.step("usage()", async () => {
      await Deno.mkdir(`${path}/elsewhere`);
      await volumes.create("foreign", {
        kind: "foreign",
        mounts: [{ type: "bind", source: `${path}/elsewhere` }],
      });
      await beside("find", () => volumes.usage("foreign"), "foreign");
    });
    await t.step("clone()", async () => {
      await volumes.create("data", { kind: "tmpfs" });
      await beside("cp", () => volumes.clone("data", "copy"), "data");
    });
  },
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
  "VolumeStore.attachments() lists who uses volumes, whatever process attached them",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("b");
    await volumes.create("a");
    assertEquals(volumes.attachments(), []);
    const before = Date.now();
    await using own = await volumes.attach("b");
    const kept = await volumes.attach("b");
    kept.keep();
    await using process = await sleeper();
    const place = { process: process.pid, target: path };
    const hot = await volumes.attachIn("a", place);
    // The process of its own that has it; then nobody but the one that it is in.
    const uses = (owner: { owner?: number }) => [
      { id: hot.id, volume: "a", ...owner, place },
      { id: own.id, volume: "b", owner: Deno.pid },
      { id: kept.id, volume: "b" },
    ];
    const withoutTime = (name?: string) =>
      volumes.attachments(name).map(({ created, ...rest }) => {
        assert(created !== undefined);
        assert(created.getTime() >= before && created.getTime() <= Date.now());
        return rest;
      });
    assertEquals(withoutTime(), uses({ owner: Deno.pid }));
    hot.keep();
    assertEquals(withoutTime(), uses({}));
    assertEquals(withoutTime("b"), uses({}).slice(1));
    await using other = await openVolumes({
      root: `${path}/lib`,
      state: `${path}/run`,
    });
    assertEquals(other.attachments(), volumes.attachments());

    await process[Symbol.asyncDispose]();
    await volumes.detach(kept.id);
    assertEquals(withoutTime(), uses({}).slice(1, 2));
    assertEquals(withoutTime("a"), []);
    assertThrows(
      () => volumes.attachments("c"),
      Deno.errors.NotFound,
      'Cannot list who uses volume "c"',
    );
  },
);

rootTest(
  "VolumeStore.attachments() leaves out what ended with its process or its boot, and writes nothing",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    await volumes.create("old");
    using state = openState(`${path}/lib/volumes/state.db`, {
      migrations: MIGRATIONS,
    });
    const insert = (id: string, owner: object | null, boot: string) =>
      state.prepare(
        "INSERT INTO attachments (id, volume, owner, boot) VALUES (?, 1, ?, ?)",
      ).run(id, owner && JSON.stringify(owner), boot);
    const boot = bootId();
    const dead = { boot, pid: Deno.pid, start: "1" };
    insert("dead", dead, boot);
    insert("rebooted", null, "another");
    insert("kept", null, boot);
    // Who put it there is dead; it stays where it is.
    insert("hot", dead, boot);
    const stat = Deno.readTextFileSync("/proc/self/stat");
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const place = {
      process: { boot, pid: Deno.pid, start },
      target: "/data",
      mounts: [],
    };
    state.prepare("UPDATE attachments SET place = ? WHERE id = 'hot'")
      .run(JSON.stringify(place));
    const { database } = state;
    database.exec("PRAGMA query_only = ON");
    try {
      // Of an earlier version, which did not note since when.
      assertEquals(volumes.attachments(), [
        { id: "kept", volume: "data" },
        {
          id: "hot",
          volume: "data",
          place: { process: Deno.pid, target: "/data" },
        },
      ]);
      assertEquals(volumes.attachments("old"), []);
    } finally {
      database.exec("PRAGMA query_only = OFF");
    }
    // Whoever opens the store forgets them.
    const options = { root: `${path}/lib`, state: `${path}/run` };
    await (await openVolumes(options)).close();
    const left = state.prepare("SELECT id FROM attachments ORDER BY rowid");
    assertEquals(left.all().map(({ id }) => id), ["kept", "hot"]);
    for (const id of ["kept", "hot"]) await volumes.detach(id);
  },
);

rootTest(
  "openVolumes() takes over attachments that an earlier version noted",
  async () => {
    await using temp = tempDir();
    const options = { root: `${temp.path}/lib`, state: `${temp.path}/run` };
    await Deno.mkdir(`${options.root}/volumes/data/1`, { recursive: true });
    {
      using state = openState(`${options.root}/volumes/state.db`, {
        migrations: MIGRATIONS.slice(0, 3),
      });
      state.prepare(
        `INSERT INTO volumes (name, kind, phase, options, labels, created)
         VALUES ('data', 'dir', 'ready', '{"owner":{"uid":0,"gid":0},"mode":448}', '{}', 0)`,
      ).run();
      state.prepare(
        "INSERT INTO attachments (id, volume, boot) VALUES ('kept', 1, ?)",
      ).run(bootId());
    }
    await using volumes = await openVolumes(options);
    assertEquals(volumes.attachments(), [{ id: "kept", volume: "data" }]);
    await assertRejects(() => volumes.remove("data"), Deno.errors.Busy);
    await volumes.detach("kept");
    await volumes.remove("data");
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

rootTest("VolumeStore.attach() gives the mount its attributes", async () => {
  await using fixture = await open();
  const { volumes, show } = fixture;
  await volumes.create("data", { owner: { uid: 1000, gid: 1000 } });
  await using use = await volumes.attach("data", {
    nosuid: true,
    nodev: true,
    noexec: true,
    propagation: "shared",
    idmap: {
      uids: [{ inside: 1000, outside: 5, size: 1 }],
      gids: [{ inside: 1000, outside: 6, size: 1 }],
    },
  });
  await using shown = await show(use.mounts);
  const { options, propagation } = statMount(shown.at);
  for (const word of ["nosuid", "nodev", "noexec"]) {
    assert(options.includes(word), word);
  }
  assert(propagation.some((word) => word.startsWith("shared:")));
  const { uid, gid } = await Deno.stat(shown.at);
  assertEquals([uid, gid], [5, 6]);
});

rootTest(
  "VolumeStore.attach() shows what is mounted below, read-only if asked",
  async () => {
    await using fixture = await open();
    const { volumes, show, path } = fixture;
    await Deno.mkdir(`${path}/elsewhere/below`, { recursive: true });
    await using _elsewhere = await mount({
      type: "bind",
      source: `${path}/elsewhere`,
      propagation: "shared",
    }, `${path}/elsewhere`);
    await using _below = await mount(
      { type: "tmpfs" },
      `${path}/elsewhere/below`,
    );
    await Deno.writeTextFile(`${path}/elsewhere/below/there`, "");
    const source: Mount = {
      type: "bind",
      source: `${path}/elsewhere`,
      recursive: true,
    };
    await volumes.create("foreign", { kind: "foreign", mounts: [source] });
    const inWords: Mount = {
      type: "raw",
      fstype: "none",
      source: `${path}/elsewhere`,
      options: ["rbind"],
    };
    await volumes.create("frozen", {
      kind: "foreign",
      mounts: [inWords],
      readonly: true,
    });
    await volumes.create("view", {
      kind: "view",
      snapshot: { key: "snap", mounts: [source] },
    });
    const write = async (name: string, readonly: boolean | "recursive") => {
      await using use = await volumes.attach(name, { readonly });
      await using shown = await show(use.mounts);
      await Deno.stat(`${shown.at}/below/there`);
      const results: string[] = [];
      for (const file of ["file", "below/file"]) {
        results.push(
          await Deno.writeTextFile(`${shown.at}/${file}`, "").then(
            () => "written",
            ({ message }) => /Read-only/.test(message) ? "refused" : message,
          ),
        );
      }
      return results;
    };
    assertEquals(await write("foreign", false), ["written", "written"]);
    assertEquals(await write("foreign", true), ["refused", "written"]);
    assertEquals(await write("foreign", "recursive"), ["refused", "refused"]);
    assertEquals(await write("view", false), ["refused", "refused"]);
    assertEquals(await write("frozen", false), ["refused", "refused"]);
    // What was unmounted again was only the volume's.
    assert(isMountPoint(`${path}/elsewhere/below`));
  },
);

rootTest(
  "VolumeStore.attach() that fails leaves nothing where volumes are mounted",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    await Deno.rename(
      `${path}/lib/volumes/data/1/image`,
      `${path}/lib/volumes/data/1/away`,
    );
    await assertRejects(() => volumes.attach("data"));
    assertEquals([...Deno.readDirSync(`${path}/run/volumes`)], []);
  },
  need("mkfs.ext4"),
);
