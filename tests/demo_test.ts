import { assertEquals, assertStringIncludes } from "@std/assert";
import { need, rootTest } from "./mod.ts";

const DEMO = new URL("../examples/demo.ts", import.meta.url).pathname;
const STEPS = 10;

function startDemo(): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", DEMO],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

function leftovers(): string[] {
  return [...Deno.readDirSync("/tmp")].map(({ name }) => name)
    .filter((name) => name.startsWith("containerkit-demo-"));
}

rootTest(
  "the demo ends with the container's output, twice in a row",
  async () => {
    for (let round = 0; round < 2; round++) {
      const before = leftovers();
      const { code, stdout } = await startDemo().output();
      const text = new TextDecoder().decode(stdout);
      assertEquals(code, 0);
      assertStringIncludes(text, "the deleted file is gone\n");
      assertEquals(
        text.trim().split("\n").at(-1)?.trim().split(" ")[0],
        "inet",
      );
      assertEquals(leftovers(), before);
    }
  },
  need("runc", "busybox"),
);

rootTest(
  "the demo leaves nothing behind when it is interrupted in any step",
  async () => {
    for (let after = 0; after < STEPS; after++) {
      const before = leftovers();
      const child = startDemo();
      // The handler is there before the first step is printed.
      const decoder = child.stdout.pipeThrough(new TextDecoderStream());
      let lines = 0;
      let interrupted = false;
      for await (const chunk of decoder) {
        lines += chunk.split("\n").length - 1;
        if (lines >= after && !interrupted) {
          interrupted = true;
          child.kill("SIGINT");
        }
      }
      await child.stderr.cancel();
      const { code } = await child.status;
      assertEquals(code === 130 || code === 0, true, `exit code ${code}`);
      assertEquals(leftovers(), before);
    }
  },
  need("runc", "busybox"),
);
