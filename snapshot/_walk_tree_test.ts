import { assertEquals } from "@std/assert";
import { rootTest, runProgram, tempDir } from "@containerkit/tests";

const DEPTH = 3000;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** Makes a tree in the folder `fs`, calls on it, and says what came of it. */
const SCRIPT = `
import { measureTree } from "${import.meta.resolve("./_usage.ts")}";
import { remapTree, unmapTree } from "${
  import.meta.resolve("./_unmap_tree.ts")
}";

const [dir] = Deno.args;
Deno.mkdirSync(dir + "/fs");
Deno.chdir(dir + "/fs");
for (let depth = 0; depth < ${DEPTH}; depth++) {
  Deno.mkdirSync("d");
  Deno.writeTextFileSync("f", "");
  Deno.chownSync("f", 1000, 1000);
  Deno.chdir("d");
}
const owner = () => Deno.lstatSync("../f").uid;
const { inodes } = await measureTree(dir + "/fs");
const ranges = [{ inside: 7, outside: 1000, size: 1 }];
unmapTree(dir, { uids: ranges, gids: ranges });
const unmapped = owner();
remapTree(dir);
console.log(JSON.stringify([inodes, unmapped, owner()]));
`;

rootTest(
  "walkTree() walks a tree that is deeper than the limit of descriptors",
  async () => {
    await using temp = tempDir();
    const script = `${temp.path}/script.ts`;
    Deno.writeTextFileSync(script, SCRIPT);
    const run = `ulimit -n 256 && exec "$@"`;
    const args = ["run", "-A", "--no-lock", "--config", CONFIG, script];
    const output = await runProgram("sh", [
      ...["-c", run, "sh", Deno.execPath()],
      ...[...args, temp.path],
    ]);
    assertEquals(JSON.parse(output), [1 + 2 * DEPTH, 7, 1000]);
  },
);
