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
import { diffLayers, diffUpper } from "${import.meta.resolve("./mod.ts")}";
import { setXattr } from "@containerkit/libc";
import { UntarStream } from "@containerkit/tar";

const [dir] = Deno.args;
Deno.mkdirSync(dir + "/fs");
Deno.chdir(dir + "/fs");
for (let depth = 0; depth < ${DEPTH}; depth++) {
  Deno.mkdirSync("d");
  Deno.writeTextFileSync("f", "");
  Deno.chownSync("f", 1000, 1000);
  Deno.chdir("d");
}
Deno.linkSync("../f", "../g");
const owner = () => Deno.lstatSync("../f").uid;
const { inodes } = await measureTree(dir + "/fs");
const ranges = [{ inside: 7, outside: 1000, size: 1 }];
await unmapTree(dir, { uids: ranges, gids: ranges }, undefined);
const unmapped = owner();
remapTree(dir);
await copyTree(dir + "/fs", dir + "/copy");
const alike = await compareTrees(dir + "/fs", dir + "/copy");
Deno.chmodSync("../f", 0o600);
const { length } = await compareTrees(dir + "/fs", dir + "/copy");
const fsAfter = dir + "/fs", lower = dir + "/copy";
Deno.mkdirSync(dir + "/upper/moved", { recursive: true });
const redirect = new TextEncoder().encode("/d");
setXattr(dir + "/upper/moved", "trusted.overlay.redirect", redirect);
const layers = [
  diffLayers(lower, fsAfter, { compression: "none" }),
  diffUpper(fsAfter, { compression: "none" }),
  diffUpper(dir + "/upper", { compression: "none", lower: [lower] }),
];
const entries = [];
for (const { readable } of layers) {
  let count = 0;
  const limits = { pathBytes: 1e5 };
  const archive = readable.pipeThrough(new UntarStream({ limits }));
  for await (const _ of archive) count++;
  entries.push(count);
}
console.log(
  JSON.stringify([inodes, unmapped, owner(), alike, length, entries]),
);
`;

rootTest(
  "measureTree(), unmapTree(), copyTree(), compareTrees(), diffLayers() and diffUpper() go deeper than the limit of descriptors",
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
    // Both names of what changed with all that they lie in; all; all but a file beside what was moved.
    const entries = [DEPTH + 1, 2 * DEPTH + 1, 2 * DEPTH];
    assertEquals(JSON.parse(output), [
      ...[1 + 2 * DEPTH, 7, 1000, [], 2],
      entries,
    ]);
  },
);
