import { assertEquals, assertRejects } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { parseFlags } from "../parse_flags.ts";
import { stats } from "./watch.ts";

Deno.test("ckit stats ends although it is asked to while it measures", async () => {
  using temp = tempDir();
  const print = () => {
    throw new Error("it went on");
  };
  const error = await assertRejects(
    async () =>
      await stats.run(parseFlags([], stats), {
        root: temp.path,
        state: temp.path,
        signal: AbortSignal.abort(),
        print,
        warn: print,
      }),
    Error,
  );
  assertEquals(error.name, "AbortError");
});
