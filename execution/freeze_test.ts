import { assertIsError } from "@std/assert";
import { dirname } from "@std/path/posix/dirname";
import { need, rootTest } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { cgroupTrees } from "./_cgroup_paths.ts";
import { run, RuntimeError } from "./mod.ts";

rootTest(
  "resume() waits no longer for a container that ends meanwhile",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    using undo = new DisposableStack();
    {
      await using container = await run(
        "a",
        await bench.spec("sleep 1000", {
          cgroup: `/containerkit-frozen-${Deno.pid}/a`,
        }),
        { state, stderr: "null" },
      );
      for (const path of new Set(Object.values(container.cgroups))) {
        undo.defer(() => Deno.removeSync(dirname(path)));
      }
      await container.pause();
      // As long as the one above is frozen, so is the container.
      const above = dirname(container.cgroups.unified!);
      Deno.writeTextFileSync(`${above}/cgroup.freeze`, "1");
      const resumed = container.resume().catch((error) => {
        // Or its end thaws it first.
        assertIsError(
          error,
          RuntimeError,
          'Cannot resume container "a": it ended meanwhile',
        );
      });
      container.kill("SIGKILL");
      await resumed;
    }
  },
  need("runc", "busybox") ??
    (cgroupTrees().has("unified") ? undefined : "no cgroup v2"),
);
