import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdirAt, openAt, OpenFlag, statFs } from "@containerkit/libc";
import { mount, unmount } from "@containerkit/mount";
import { lockFile, openState } from "@containerkit/state";
import { need, rootTest, runProgram } from "@containerkit/tests";
import { type Fixture, MIB, open } from "./_test_store.ts";
import { MIGRATIONS } from "./_schema.ts";
import { openVolumes, type VolumeStore } from "./mod.ts";

/** What a process that is dead left as its own. */
const DEAD = JSON.stringify({ boot: "another", pid: 1, start: "1" });

/** Puts the row of a volume into the state that a crash left it in. */
function damage(
  { path }: Fixture,
  name: string,
  { phase, owner }: { phase: string; owner: string | null },
): void {
  using state = openState(`${path}/lib/volumes/state.db`, {
    migrations: MIGRATIONS,
  });
  state.prepare("UPDATE volumes SET phase = ?, owner = ? WHERE name = ?")
    .run(phase, owner, name);
}

function forget({ path }: Fixture, name: string): void {
  using state = openState(`${path}/lib/volumes/state.db`, {
    migrations: MIGRATIONS,
  });
  state.prepare("DELETE FROM volumes WHERE name = ?").run(name);
  // With the row goes the number that it was given.
  state.prepare("DELETE FROM sqlite_sequence WHERE name = 'volumes'").run();
}

/** The folders of volumes, and what is in the trash. */
function folders({ path }: Fixture): { data: string[]; trash: string[] } {
  const names = (folder: string) =>
    [...Deno.readDirSync(`${path}/lib/volumes/${folder}`)]
      .map(({ name }) => name).sort();
  return { data: names("data"), trash: names("trash") };
}

function reopen({ path }: Fixture): Promise<VolumeStore> {
  return openVolumes({ root: `${path}/lib`, state: `${path}/run` });
}

rootTest("a folder whose row a power cut took is removed", async () => {
  await using fixture = await open();
  const { volumes, path } = fixture;
  await volumes.create("data");
  await Deno.writeTextFile(`${path}/lib/volumes/data/1/stale`, "");
  forget(fixture, "data");
  await using again = await reopen(fixture);
  assertEquals(folders(fixture), { data: [], trash: [] });
  await again.create("data");
  assertEquals((await again.usage("data")).inodes, 1);
  assertEquals(folders(fixture), { data: ["1"], trash: [] });
});

rootTest("a volume is gone whose maker died in the midst of it", async () => {
  await using fixture = await open();
  await fixture.volumes.create("data");
  damage(fixture, "data", { phase: "creating", owner: DEAD });
  await using again = await reopen(fixture);
  assertEquals(again.list(), []);
  assertEquals(folders(fixture), { data: [], trash: [] });
});

rootTest(
  "a volume is finished whose row is on the disk, with its folder or without",
  async (t) => {
    const options = { owner: { uid: 7, gid: 8 }, mode: 0o751 };
    const root = (path: string) => {
      const { uid, gid, mode } = Deno.statSync(`${path}/lib/volumes/data/1`);
      return [uid, gid, mode! & 0o7777];
    };
    const cases: Record<string, (folder: string) => void> = {
      "nothing of it": (folder) => Deno.removeSync(folder),
      "a folder without owner and mode": (folder) => {
        Deno.chownSync(folder, 0, 0);
        Deno.chmodSync(folder, 0o700);
      },
      "all of it": () => {},
    };
    for (const [name, leave] of Object.entries(cases)) {
      await t.step(name, async () => {
        await using fixture = await open();
        await fixture.volumes.create("data", options);
        leave(`${fixture.path}/lib/volumes/data/1`);
        damage(fixture, "data", { phase: "creating", owner: null });
        assertEquals(fixture.volumes.get("data"), undefined);
        await using again = await reopen(fixture);
        assert(again.get("data") !== undefined);
        assertEquals(root(fixture.path), [7, 8, 0o751]);
        await again.remove("data");
      });
    }
    await t.step("what was written since stays as it is", async () => {
      await using fixture = await open();
      await fixture.volumes.create("data", options);
      const folder = `${fixture.path}/lib/volumes/data/1`;
      await Deno.writeTextFile(`${folder}/file`, "kept");
      Deno.chownSync(folder, 0, 0);
      Deno.chmodSync(folder, 0o700);
      damage(fixture, "data", { phase: "creating", owner: null });
      await using _again = await reopen(fixture);
      assertEquals(Deno.readTextFileSync(`${folder}/file`), "kept");
      assertEquals(root(fixture.path), [0, 0, 0o700]);
    });
  },
);

rootTest("a removal goes on where a crash stopped it", async () => {
  await using fixture = await open();
  const { volumes, path } = fixture;
  for (const name of ["whole", "gone", "moved"]) {
    await volumes.create(name);
    await Deno.writeTextFile(
      `${path}/lib/volumes/data/${folders(fixture).data.length}/file`,
      "",
    );
    damage(fixture, name, { phase: "removing", owner: DEAD });
  }
  await Deno.remove(`${path}/lib/volumes/data/2`, { recursive: true });
  await Deno.rename(
    `${path}/lib/volumes/data/3`,
    `${path}/lib/volumes/trash/3-x`,
  );
  await using again = await reopen(fixture);
  assertEquals(again.list(), []);
  assertEquals(folders(fixture), { data: [], trash: [] });
});

rootTest(
  "VolumeStore.create() and remove() go on with what a dead process left",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    const leave = async (phase: string) => {
      await volumes.create("data");
      const [id] = folders(fixture).data;
      await Deno.writeTextFile(`${path}/lib/volumes/data/${id}/file`, "");
      damage(fixture, "data", { phase, owner: DEAD });
      assertEquals(volumes.get("data"), undefined);
    };
    for (const phase of ["creating", "removing"]) {
      await leave(phase);
      await volumes.create("data");
      assertEquals((await volumes.usage("data")).inodes, 1);
      await volumes.remove("data");
      await leave(phase);
      await volumes.remove("data");
      assertEquals(folders(fixture), { data: [], trash: [] });
    }
  },
);

rootTest(
  "openVolumes() opens with what cannot be removed, and tries again each time",
  async (t) => {
    // A mount keeps its folder where it is.
    const busy = (folder: string) => mount({ type: "tmpfs" }, folder);
    const isGone = (fixture: Fixture) =>
      assertEquals(folders(fixture), { data: ["2"], trash: [] });
    const reopenWith = async (fixture: Fixture, expected: string[]) => {
      await using again = await reopen(fixture);
      assertEquals(again.list().map(({ name }) => name), ["other"]);
      assertEquals(folders(fixture).data, expected);
    };
    const prepare = async () => {
      const fixture = await open();
      await fixture.volumes.create("data");
      await fixture.volumes.create("other");
      return fixture;
    };
    await t.step("of a process that died", async () => {
      await using fixture = await prepare();
      damage(fixture, "data", { phase: "removing", owner: DEAD });
      {
        await using _ = await busy(`${fixture.path}/lib/volumes/data/1`);
        await reopenWith(fixture, ["1", "2"]);
      }
      await reopenWith(fixture, ["2"]);
      isGone(fixture);
    });
    await t.step("of this process", async () => {
      await using fixture = await prepare();
      {
        await using _ = await busy(`${fixture.path}/lib/volumes/data/1`);
        await assertRejects(() => fixture.volumes.remove("data"));
        await reopenWith(fixture, ["1", "2"]);
      }
      await reopenWith(fixture, ["2"]);
      isGone(fixture);
    });
    await t.step("that remove() is asked for again", async () => {
      await using fixture = await prepare();
      {
        await using _ = await busy(`${fixture.path}/lib/volumes/data/1`);
        await assertRejects(() => fixture.volumes.remove("data"));
      }
      await fixture.volumes.remove("data");
      isGone(fixture);
    });
    await t.step("that is nobody's", async () => {
      await using fixture = await prepare();
      forget(fixture, "data");
      {
        await using _ = await busy(`${fixture.path}/lib/volumes/data/1`);
        await reopenWith(fixture, ["1", "2"]);
      }
      await reopenWith(fixture, ["2"]);
      isGone(fixture);
    });
    await t.step("that is in the trash", async () => {
      await using fixture = await prepare();
      const left = `${fixture.path}/lib/volumes/trash/7-x`;
      await Deno.mkdir(left);
      {
        await using _ = await busy(left);
        await using _again = await reopen(fixture);
      }
      await using _again = await reopen(fixture);
      assertEquals(folders(fixture).trash, []);
    });
  },
);

rootTest(
  "opening finishes what another process is making, and both see it made",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    // Their turns change while the folder goes to the disk.
    for (let round = 0; round < 20; round++) {
      const [{ name }] = await Promise.all([
        volumes.create(`v${round}`),
        reopen(fixture).then((store) => store[Symbol.asyncDispose]()),
      ]);
      assert(volumes.get(name) !== undefined);
    }
    assertEquals(
      [...Deno.readDirSync(`${path}/lib/volumes/data`)].length,
      20,
    );
  },
);

/** Dies when it looks whether the volume is empty. */
const FILLER = `
  import { openVolumes } from "@containerkit/volume";
  const [path] = Deno.args;
  await using volumes = await openVolumes({ root: path + "/lib", state: path + "/run" });
  const die = () => Deno.kill(Deno.pid, "SIGKILL");
  Object.assign(Deno, { readDir: die, readDirSync: die });
  await volumes.populate("data", () => Promise.resolve());
`;

rootTest(
  "VolumeStore.populate() of a process that dies before it fills leaves what is there",
  async () => {
    await using fixture = await open();
    const { path } = fixture;
    await fixture.volumes.create("data");
    const file = `${path}/lib/volumes/data/1/own`;
    await Deno.writeTextFile(file, "mine");
    const { signal } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", FILLER, path],
      cwd: new URL("..", import.meta.url).pathname,
    }).output();
    assertEquals(signal, "SIGKILL");
    await using again = await reopen(fixture);
    assertEquals(await Deno.readTextFile(file), "mine");
    assertEquals(await again.populate("data", () => Deno.remove(file)), false);
  },
);

rootTest(
  "openVolumes() empties what nobody fills, and leaves what somebody does",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    await Deno.writeTextFile(`${path}/lib/volumes/data/1/half`, "");
    damage(fixture, "data", { phase: "filling", owner: DEAD });
    const files = () =>
      [...Deno.readDirSync(`${path}/lib/volumes/data/1`)].map(({ name }) =>
        name
      );
    {
      // Somebody who is about to go on with it has the lock, but not the row.
      using _filler = await lockFile(`${path}/lib/volumes/locks/1.fill`);
      await using _again = await reopen(fixture);
      assertEquals(files(), ["half"]);
      await assertRejects(() => volumes.attach("data"), Deno.errors.Busy);
    }
    await using again = await reopen(fixture);
    assertEquals(files(), []);
    await using _use = await again.attach("data");
  },
);

rootTest(
  "VolumeStore.attach() and remove() take what nobody fills any more",
  async (t) => {
    const prepare = async () => {
      const fixture = await open();
      await fixture.volumes.create("data");
      await Deno.writeTextFile(
        `${fixture.path}/lib/volumes/data/1/half`,
        "",
      );
      damage(fixture, "data", { phase: "filling", owner: DEAD });
      return fixture;
    };
    await t.step("attach() empties it first", async () => {
      await using fixture = await prepare();
      await using use = await fixture.volumes.attach("data");
      await using shown = await fixture.show(use.mounts);
      assertEquals([...Deno.readDirSync(shown.at)], []);
      assertEquals(fixture.volumes.get("data")?.populated, false);
    });
    await t.step("remove()", async () => {
      await using fixture = await prepare();
      {
        using _filler = await lockFile(
          `${fixture.path}/lib/volumes/locks/1.fill`,
        );
        await assertRejects(
          () => fixture.volumes.remove("data"),
          Deno.errors.Busy,
          "it is being filled",
        );
      }
      await fixture.volumes.remove("data");
      assertEquals(folders(fixture), { data: [], trash: [] });
      assertEquals(
        [...Deno.readDirSync(`${fixture.path}/lib/volumes/locks`)],
        [],
      );
    });
  },
);

rootTest(
  "VolumeStore.populate() that cannot empty what it began leaves it to the next",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    const half = `${path}/lib/volumes/data/1/half`;
    {
      await using stack = new AsyncDisposableStack();
      const { errors } = await assertRejects(
        () =>
          volumes.populate("data", async () => {
            await Deno.mkdir(half);
            // A mount keeps its folder where it is.
            stack.use(await mount({ type: "tmpfs" }, half));
            throw new Error("no more");
          }),
        AggregateError,
      );
      assertEquals(errors[0].message, "no more");
      assertMatch(errors[1].message, /^Cannot empty .* is mounted in it$/s);
    }
    assertEquals(await volumes.populate("data", () => Promise.resolve()), true);
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data/1`)], []);
  },
);

/** Nested deep enough for the stack of one who recurses. */
function makeDeep(root: string): void {
  let folder = openAt(undefined, root, OpenFlag.DIRECTORY);
  for (let level = 0; level < 12_000; level++) {
    mkdirAt(folder, "d");
    using _parent = folder;
    folder = openAt(folder, "d", OpenFlag.DIRECTORY);
  }
  folder.close();
}

/** Opens the store, with what is in the trash, and removes a volume. */
const REMOVER = `
  import { openVolumes } from "@containerkit/volume";
  const [path] = Deno.args;
  await using volumes = await openVolumes({ root: path + "/lib", state: path + "/run" });
  await volumes.remove("data");
`;

rootTest("VolumeStore removes what is nested deep", async () => {
  // In memory, as it is a lot.
  await using fixture = await open("/dev/shm");
  const { volumes, path } = fixture;
  await volumes.create("data");
  makeDeep(`${path}/lib/volumes/data/1`);
  await Deno.mkdir(`${path}/lib/volumes/trash/7-x`);
  makeDeep(`${path}/lib/volumes/trash/7-x`);
  // In a process of its own, which would end.
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", REMOVER, path],
    cwd: new URL("..", import.meta.url).pathname,
  }).output();
  assertEquals(code, 0);
  assertEquals(folders(fixture), { data: [], trash: [] });
});

rootTest(
  "VolumeStore.populate() empties a volume of names that are no UTF-8",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    await assertRejects(
      () =>
        volumes.populate("data", async (root) => {
          await runProgram("sh", [
            "-c",
            'cd "$1" && : >"$(printf "\\377")"',
            "sh",
            root,
          ]);
          throw new Error("no more");
        }),
      Error,
      "no more",
    );
    assertEquals([...Deno.readDirSync(`${path}/lib/volumes/data/1`)], []);
  },
);

rootTest(
  "VolumeStore.populate() begins anew where another process died filling",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data");
    await Deno.writeTextFile(`${path}/lib/volumes/data/1/half`, "");
    damage(fixture, "data", { phase: "filling", owner: DEAD });
    const fill = (root: string) => Deno.writeTextFile(`${root}/whole`, "");
    assertEquals(await volumes.populate("data", fill), true);
    assertEquals(
      [...Deno.readDirSync(`${path}/lib/volumes/data/1`)]
        .map(({ name }) => name),
      ["whole"],
    );
    assertEquals(volumes.get("data")?.populated, true);
  },
);

/** Dies when the program that sets the limit begins or has ended, before anybody hears of it. */
const RESIZER = `
  import { openVolumes } from "@containerkit/volume";
  const [path, when] = Deno.args;
  await using volumes = await openVolumes({ root: path + "/lib", state: path + "/run" });
  const die = () => Deno.kill(Deno.pid, "SIGKILL");
  const { spawn } = Deno.Command.prototype;
  Deno.Command.prototype.spawn = function () {
    if (when === "before") die();
    const child = spawn.call(this);
    child.status.then(die);
    return child;
  };
  await volumes.resize("data", { size: 32 * 1024 * 1024 });
`;

for (const kind of ["tmpfs", "image"] as const) {
  rootTest(
    `openVolumes() finishes a resize() that died, of kind "${kind}"`,
    async (t) => {
      for (const when of ["before", "after"]) {
        await t.step(`${when} the kernel had the limit`, async () => {
          await using fixture = await open();
          const { volumes, path, show } = fixture;
          await volumes.create("data", { kind, size: 16 * MIB });
          const { signal } = await new Deno.Command(Deno.execPath(), {
            args: ["eval", RESIZER, path, when],
            cwd: new URL("..", import.meta.url).pathname,
          }).output();
          assertEquals(signal, "SIGKILL");
          await using again = await reopen(fixture);
          assertEquals(again.get("data")?.size, 32 * MIB);
          await using use = await again.attach("data");
          await using shown = await show(use.mounts);
          const { size } = statFs(shown.at);
          assert(size > 24 * MIB && size <= 32 * MIB, String(size));
        });
      }
    },
    kind === "image" ? need("mkfs.ext4") : undefined,
  );
}

rootTest(
  "VolumeStore.resize() finishes what died before it, beside what it is asked",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data", { kind: "tmpfs", size: 16 * MIB });
    await new Deno.Command(Deno.execPath(), {
      args: ["eval", RESIZER, path, "after"],
      cwd: new URL("..", import.meta.url).pathname,
    }).output();
    {
      // Somebody is at it: opening leaves it to them.
      using _other = await lockFile(`${path}/lib/volumes/locks/1.resize`);
      await using again = await reopen(fixture);
      assertEquals(again.get("data")?.size, 16 * MIB);
    }
    const { size, inodes } = await volumes.resize("data", { inodes: 100 });
    assertEquals([size, inodes], [32 * MIB, 100]);
    const { size: now } = statFs(`${path}/run/volumes/1`);
    assertEquals(now, 32 * MIB);
  },
);

rootTest(
  "VolumeStore mounts no volume that is removed while it waits",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    const calls = [
      (name: string) => volumes.usage(name),
      (name: string) => volumes.attach(name),
      (name: string) => volumes.resize(name, { size: 2 * MIB }),
      (name: string) => volumes.populate(name, () => Promise.resolve()),
    ];
    for (const [index, call] of calls.entries()) {
      const name = `data-${index}`;
      await volumes.create(name, { kind: "tmpfs", size: MIB });
      const place = `${path}/run/volumes/${index + 1}`;
      const lock = await lockFile(`${place}.lock`);
      const refused = assertRejects(() => call(name), Deno.errors.NotFound);
      await unmount(place);
      damage(fixture, name, { phase: "removing", owner: null });
      lock.close();
      await refused;
      await volumes.remove(name);
      assertEquals([...Deno.readDirSync(`${path}/run/volumes`)], []);
    }
  },
);
