import { assert } from "@std/assert";
import { checkWorld, startWorker } from "./faults/_content_world.ts";
import { tempDir } from "./mod.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const PROCESSES = LONG ? 20 : 5;
const OPERATIONS = LONG ? 1000 : 25;

Deno.test("content store: random operations of many processes leave what a plain model says", async () => {
  await using temp = tempDir();
  const seed = Math.floor(Math.random() * 2 ** 31);
  const outputs = await Promise.all(
    Array.from(
      { length: PROCESSES },
      (_, at) => startWorker(temp.path, seed + at, OPERATIONS).output(),
    ),
  );
  for (const { success, stderr } of outputs) {
    assert(success, `seed ${seed}: ${new TextDecoder().decode(stderr)}`);
  }
  await checkWorld(temp.path);
});
