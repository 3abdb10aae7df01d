import { assertEquals } from "@std/assert";
import { need, rootTest } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { run } from "./mod.ts";

const capabilities = (status: string) => /^CapEff:.*$/m.exec(status)?.[0];

rootTest(
  "what is privileged has the capabilities of this program: containers and further processes",
  async () => {
    using bench = makeBench();
    const own = capabilities(Deno.readTextFileSync("/proc/self/status"));
    const show = "cat /proc/self/status";
    for (
      const options of [{ privileged: true }, { addCapabilities: ["ALL"] }]
    ) {
      await using container = await run("a", await bench.spec(show, options), {
        state: bench.state,
        stdout: "piped",
      });
      const { stdout } = await container.output();
      assertEquals(capabilities(new TextDecoder().decode(stdout)), own);
    }
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state: bench.state,
      stdout: "null",
    });
    await using process = await container.exec(["sh", "-c", show], {
      privileged: true,
      stdout: "piped",
    });
    const { stdout } = await process.output();
    assertEquals(capabilities(new TextDecoder().decode(stdout)), own);
  },
  need("runc", "busybox"),
);
