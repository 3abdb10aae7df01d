import { assertEquals } from "@std/assert";
import { runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** What examples speak of without making it. */
const NAMES = `
import type { Store } from "@containerkit/content";
import type { Image } from "@containerkit/distribution";
import type { Policy } from "@containerkit/distribution/sign";
import type { ImportOptions } from "@containerkit/distribution/archive";
import type { Descriptor } from "@containerkit/oci";
import type { Snapshot } from "@containerkit/snapshot";
import type { LayerFixture, SnapshotterFixture } from "@containerkit/snapshot/testing";
declare global {
  const store: Store;
  const image: Image, signature: Image;
  const descriptor: Descriptor;
  const snapshot: Snapshot;
  const policy: Policy;
  const admit: NonNullable<ImportOptions["admit"]>;
  const digest: string, reference: string, username: string, password: string;
  const expected: string;
  function unpackBusybox(folder: string): Promise<void>;
  function makeFixture(): Promise<LayerFixture>;
  function openMine(): Promise<SnapshotterFixture>;
}
`;

/** What may have examples: no tests, and nothing whose name begins with a dot. */
function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${folder}`)) {
    if (/^\.|^tests$/.test(name)) continue;
    if (isDirectory) yield* filesBelow(`${folder}${name}/`);
    else if (/\.(md|ts)$/.test(name)) yield folder + name;
  }
}

/** The blocks of a text that are marked `ts ignore`, by the line they begin in. */
function notRun(text: string): Map<number, string> {
  const found = new Map<number, string>();
  const blocks = /^( *\*? ?)```ts ignore\n(.*?)^\1```$/gms;
  for (const { 1: indent, 2: code, index } of text.matchAll(blocks)) {
    const lines = code!.split("\n").map((line) => line.slice(indent!.length));
    found.set(text.slice(0, index).split("\n").length, lines.join("\n"));
  }
  return found;
}

Deno.test("an example that no test runs has the right types", async () => {
  await using temp = tempDir();
  await Deno.writeTextFile(`${temp.path}/names.d.ts`, NAMES);
  let count = 0;
  for (const file of filesBelow("")) {
    const text = await Deno.readTextFile(`${ROOT}${file}`);
    for (const [line, code] of notRun(text)) {
      // The name is what an error of the check points to.
      const name = `${file.replaceAll("/", ":")}:${line}.ts`;
      await Deno.writeTextFile(`${temp.path}/${name}`, `${code}export {};\n`);
      count++;
    }
  }
  assertEquals(count > 100, true);
  await runProgram(Deno.execPath(), [
    "check",
    "--quiet",
    `--config=${ROOT}deno.json`,
    temp.path,
  ]);
});
