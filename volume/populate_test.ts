import { assertEquals, assertRejects } from "@std/assert";
import { rootTest } from "@containerkit/tests";
import { lockFile } from "@containerkit/state";
import { MIB, open } from "./_test_store.ts";
import { openVolumes } from "./mod.ts";

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

rootTest(
  "VolumeStore.populate() lets nobody wait who opens, attaches, asks or removes",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    await volumes.populate("data", async (root) => {
      await Deno.writeTextFile(`${root}/one`, "");
      // Each would wait for the end of this function.
      const signal = AbortSignal.timeout(5000);
      await assertRejects(
        () => volumes.attach("data", { signal }),
        Deno.errors.Busy,
        "it is being filled",
      );
      await assertRejects(() => volumes.remove("data"), Deno.errors.Busy);
      await volumes.usage("data", { signal });
      await using _again = await openVolumes({
        root: `${path}/lib`,
        state: `${path}/run`,
      });
      await Deno.writeTextFile(`${root}/two`, "");
    });
    await using use = await volumes.attach("data");
    await using shown = await fixture.show(use.mounts);
    const names = [...Deno.readDirSync(shown.at)].map(({ name }) => name);
    assertEquals(names.sort(), ["one", "two"]);
  },
);

rootTest(
  "openVolumes() does not wait for who mounts a volume or has it mounted",
  async () => {
    await using fixture = await open();
    const { volumes, path } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    await using _use = await volumes.attach("data");
    using _other = await lockFile(`${path}/run/volumes/1.lock`);
    await using again = await openVolumes({
      root: `${path}/lib`,
      state: `${path}/run`,
    });
    assertEquals(again.list().length, 1);
    _other.close();
  },
);

const OTHER = `
  import { openVolumes } from "@containerkit/volume";
  const [path, me] = Deno.args;
  await using volumes = await openVolumes({ root: path + "/lib", state: path + "/run" });
  console.log("ready");
  for await (const _ of Deno.stdin.readable) break;
  const filled = await volumes.populate("data", async (root) => {
    await Deno.writeTextFile(root + "/by", me);
    for (let file = 0; file < 50; file++) await Deno.writeTextFile(root + "/" + file, me);
  });
  await using use = await volumes.attach("data");
  const by = Deno.readTextFileSync(use.mounts[0].source + "/by");
  console.log(JSON.stringify({ me, filled, by, files: [...Deno.readDirSync(use.mounts[0].source)].length }));
`;

rootTest(
  "VolumeStore.populate() has one winner among processes, and all see its result",
  async () => {
    await using fixture = await open();
    await fixture.volumes.create("data");
    const children = ["a", "b", "c"].map((me) =>
      new Deno.Command(Deno.execPath(), {
        args: ["eval", OTHER, fixture.path, me],
        cwd: new URL("..", import.meta.url).pathname,
        stdin: "piped",
        stdout: "piped",
      }).spawn()
    );
    const outputs = children.map(({ stdout }) => stdout.getReader());
    // All are there before one starts.
    for (const output of outputs) await output.read();
    for (const { stdin } of children) {
      const writer = stdin.getWriter();
      await writer.write(new Uint8Array(1));
      await writer.close();
    }
    const results = await Promise.all(
      outputs.map(async (output) =>
        JSON.parse(new TextDecoder().decode((await output.read()).value))
      ),
    );
    for (const output of outputs) await output.cancel();
    for (const { status } of children) assertEquals((await status).code, 0);
    const winners = results.filter(({ filled }) => filled);
    assertEquals(winners.length, 1);
    for (const { by, files } of results) {
      assertEquals([by, files], [winners[0].me, 51]);
    }
  },
);

rootTest(
  "VolumeStore.populate() leaves what somebody wrote before",
  async () => {
    await using fixture = await open();
    const { volumes, show } = fixture;
    await volumes.create("data", { kind: "image", size: 16 * MIB });
    {
      await using use = await volumes.attach("data");
      await using shown = await show(use.mounts);
      await Deno.writeTextFile(`${shown.at}/own`, "mine");
      await assertRejects(
        () => volumes.populate("data", () => Promise.resolve()),
        Deno.errors.Busy,
        `process ${Deno.pid}`,
      );
    }
    assertEquals(
      await volumes.populate("data", (root) => Deno.remove(`${root}/own`)),
      false,
    );
    await using use = await volumes.attach("data", { readonly: true });
    await using shown = await show(use.mounts);
    assertEquals(await Deno.readTextFile(`${shown.at}/own`), "mine");
  },
);

rootTest(
  "VolumeStore.populate() ends with the signal's reason, and the volume is empty",
  async () => {
    await using fixture = await open();
    const { volumes } = fixture;
    await volumes.create("data");
    const controller = new AbortController();
    await assertRejects(
      () =>
        volumes.populate("data", async (root, { signal }) => {
          await Deno.writeTextFile(`${root}/half`, "");
          controller.abort(new RangeError("enough"));
          signal?.throwIfAborted();
        }, { signal: controller.signal }),
      RangeError,
      "enough",
    );
    assertEquals((await volumes.usage("data")).inodes, 1);
    assertEquals(volumes.get("data")?.populated, false);
  },
);
