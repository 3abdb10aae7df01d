import { assert, assertEquals } from "@std/assert";
import { isMountPoint } from "@containerkit/mount";
import { openVolumes } from "@containerkit/volume";
import { need, rootTest, tempDir } from "@containerkit/tests";

const KILLS = Deno.env.has("CONTAINERKIT_LONG") ? 100 : 8;
const ROOT = new URL("../..", import.meta.url).pathname;
const FILES = 20;

/** Makes, fills, uses, clones and removes volumes until it is killed. */
const WORKER = `
  import { openVolumes } from "@containerkit/volume";
  const [root] = Deno.args;
  const volumes = await openVolumes({ root: root + "/lib", state: root + "/run" });
  console.log("ready");
  for (let turn = 0;; turn++) {
    const name = "v" + Deno.pid + "-" + turn;
    const kind = ["dir", "image", "tmpfs"][turn % 3];
    await volumes.create(name, { kind, ...(kind === "dir" ? {} : { size: 8 << 20 }) });
    await volumes.populate(name, async (path) => {
      for (let file = 0; file < ${FILES}; file++) await Deno.writeTextFile(path + "/" + file, name);
    });
    const use = await volumes.attach(name);
    if (turn % 2 === 0) await volumes.clone(name, name + "-clone");
    await use[Symbol.asyncDispose]();
    if (turn % 4 === 3) await volumes.remove(name);
  }
`;

rootTest(`volumes survive ${KILLS} kills at any moment`, async () => {
  await using temp = tempDir();
  const options = { root: `${temp.path}/lib`, state: `${temp.path}/run` };
  for (let kill = 0; kill < KILLS; kill++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", WORKER, temp.path],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = child.stdout.getReader();
    await output.read();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
    child.kill("SIGKILL");
    await output.cancel();
    const errors = await new Response(child.stderr).text();
    assertEquals((await child.status).signal, "SIGKILL", errors);

    await using volumes = await openVolumes(options);
    for (const { name, kind, populated } of volumes.list()) {
      const { inodes } = await volumes.usage(name);
      const own = kind === "image" ? inodes! > FILES : inodes === FILES + 1;
      // Filled as a whole or not at all; an image counts what its filesystem needs too.
      assert(
        populated ? own : kind === "image" || inodes === 1,
        `${name}: ${inodes}`,
      );
    }
    const staged = [...Deno.readDirSync(`${options.state}/volumes`)]
      .filter(({ name }) => isMountPoint(`${options.state}/volumes/${name}`));
    const inMemory = volumes.list({ kind: "tmpfs" });
    assertEquals(staged.length, inMemory.length);
    assertEquals([...Deno.readDirSync(`${options.root}/volumes/trash`)], []);
    assertEquals(
      [...Deno.readDirSync(`${options.root}/volumes/data`)].length,
      volumes.list().length,
    );
  }
  await using volumes = await openVolumes(options);
  await volumes.prune();
  assertEquals(volumes.list(), []);
}, need("mkfs.ext4"));
