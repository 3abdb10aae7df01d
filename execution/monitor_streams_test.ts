import { assertEquals } from "@std/assert";
import { need, rootTest, until } from "@containerkit/tests";
import { makeMonitored, monitorPids } from "./_bench_test.ts";
import { run } from "./mod.ts";

const missing = need("runc", "busybox");
const encoder = new TextEncoder();

rootTest(
  "the input of a container with a monitor outlasts its outputs",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const spec = await bench.spec("exec >/dev/null 2>&1; cat >/tmp/got");
    await using container = await run("a", spec, {
      state,
      monitor: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    for (const output of [container.stdout, container.stderr]) {
      assertEquals(await new Response(output).text(), "");
    }
    const input = container.stdin.getWriter();
    await input.write(encoder.encode("late"));
    await input.close();
    assertEquals((await container.status).code, 0);
    assertEquals(Deno.readTextFileSync(`${spec.root!.path}/tmp/got`), "late");
  },
  missing,
);

rootTest(
  "a monitor ends although somebody still has the input of a container that has ended",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    await using container = await run("a", await bench.spec("true"), {
      state,
      monitor: true,
      stdin: "piped",
    });
    await container.status;
    await until("the end", () => monitorPids(state).length === 0);
  },
  missing,
);
