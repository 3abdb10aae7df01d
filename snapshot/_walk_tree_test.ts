import { assertEquals } from "@std/assert";
import { rootTest, runProgram, tempDir } from "@containerkit/tests";

const DEPTH = 3000;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** Makes a tree in the folder `fs`, calls on it, and says what came of it. */
const SCRIPT = `
import { compareTrees } from "${import.meta.resolve("./_compare_trees.ts")}";
import { copyTree } from "${import.meta.resolve("./_copy_tree.ts")}";
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
await copyTree(dir + "/fs", dir + "/copy");
const alike = await compareTrees(dir + "/fs", dir + "/copy");
Deno.chmodSync("../f", 0o600);
const { length } = await compareTrees(dir + "/fs", dir + "/copy");
console.log(JSON.stringify([inodes, unmapped, owner(), alike, length]));
`;

rootTest(
  "measureTree(), unmapTree(), copyTree() and compareTrees() go deeper than the limit of descriptors",
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
    assertEquals(JSON.parse(output), [1 + 2 * DEPTH, 7, 1000, [], 1]);
  },
);
