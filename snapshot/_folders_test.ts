import { assertEquals } from "@std/assert";
import { rootTest, runProgram, tempDir } from "@containerkit/tests";
import { destroyTree } from "./_folders.ts";

const DEEP = `for (let depth = 0; depth < 20_000; depth++) {
  Deno.mkdirSync("d");
  Deno.writeTextFileSync("f", "");
  Deno.chdir("d");
}`;

rootTest("destroyTree() removes a tree deeper than any path", async () => {
  await using temp = tempDir();
  const script = `${temp.path}/deep.js`;
  const tree = `${temp.path}/tree`;
  Deno.mkdirSync(tree);
  Deno.symlinkSync(script, `${tree}/link`);
  Deno.writeTextFileSync(script, `Deno.chdir(${JSON.stringify(tree)});${DEEP}`);
  await runProgram(Deno.execPath(), ["run", "-A", "--no-config", script]);
  const fds = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = fds();
  await destroyTree(tree);
  assertEquals([...Deno.readDirSync(temp.path)].map(({ name }) => name), [
    "deep.js",
  ]);
  assertEquals(fds(), before);
  await destroyTree(tree);
  await destroyTree(`${tree}/none`);
});
