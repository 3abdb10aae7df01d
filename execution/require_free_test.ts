import { assertEquals, assertRejects } from "@std/assert";
import { need, rootTest, withCrunsCgroups } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { create, run, RuntimeError } from "./mod.ts";

const missing = need("runc", "crun", "busybox");
const RUNTIMES = {
  runc: (fn: () => Promise<void>) => fn(),
  crun: withCrunsCgroups,
};

for (const [command, within] of Object.entries(RUNTIMES)) {
  rootTest(
    `${command}: create() leaves alone a container of the same id that the runtime has already`,
    () =>
      within(async () => {
        using bench = makeBench();
        const spec = await bench.spec("sleep 1000");
        const runtime = { command, root: `${bench.folder}/runtime` };
        const options = { runtime, stderr: "null" } as const;
        await using first = await run("a", spec, {
          ...options,
          state: bench.state,
        });
        const state = `${bench.folder}/second`;
        const error = await assertRejects(
          () => create("a", spec, { ...options, state }),
          RuntimeError,
          "the runtime has one",
        );
        assertEquals(error.code, "AlreadyExists");
        assertEquals(first.state(), "running");
        assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
      }),
    missing,
  );
}

rootTest(
  "create() leaves alone who is in the cgroup that the spec names",
  async () => {
    using bench = makeBench();
    const { state, spec } = bench;
    const cgroup = `/containerkit-taken-${Deno.pid}`;
    const options = { state, stderr: "null" } as const;
    await using first = await run(
      "a",
      await spec("sleep 1000", { cgroup }),
      options,
    );
    const error = await assertRejects(
      async () => await create("b", await spec("true", { cgroup }), options),
      RuntimeError,
      `process ${first.pid} is in the cgroup`,
    );
    assertEquals(error.code, "AlreadyExists");
    assertEquals(first.state(), "running");
  },
  missing,
);
