import { assertEquals, assertRejects } from "@std/assert";
import { until } from "@containerkit/tests";
import { childOutput } from "./child_output.ts";

function sh(script: string, options: { detached?: boolean } = {}) {
  return new Deno.Command("sh", {
    args: ["-c", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...options,
  }).spawn();
}

/** Waits for the end of what has told its number to a file, which goes. */
async function ended(file: string): Promise<void> {
  const pid = Deno.readTextFileSync(file).trim();
  Deno.removeSync(file);
  await until(`the end of ${pid}`, () => {
    try {
      return /\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
    } catch {
      return true;
    }
  });
}

Deno.test("childOutput() gives what a program makes of its input", async () => {
  const child = sh("cat; echo why >&2; exit 3");
  const input = "x".repeat(300_000);
  assertEquals(await childOutput(child, { input }), {
    success: false,
    code: 3,
    signal: null,
    stdout: input,
    stderr: "why\n",
  });
  const deaf = sh("exec true");
  assertEquals((await childOutput(deaf, { input })).success, true);
  const exact = sh("exec printf 12345678");
  await exact.stdin.close();
  const { stdout } = await childOutput(exact, { limit: 8 });
  assertEquals(stdout, "12345678");
});

for (const group of [false, true]) {
  Deno.test(
    `childOutput() kills what prints without end, and what it has started${
      group ? ", as a group" : ""
    }`,
    async () => {
      const file = Deno.makeTempFileSync({ prefix: "containerkit-" });
      // One that prints nothing ends with its group only.
      const other = group ? "sleep 1000" : "yes";
      const child = sh(`${other} & echo $! >${file}; yes`, { detached: group });
      assertEquals(
        await childOutput(child, { group, input: "", limit: 100_000 }),
        {
          success: false,
          code: 137,
          signal: "SIGKILL",
          stdout: "",
          stderr: "it printed more than 100000 bytes",
        },
      );
      await ended(file);
    },
  );
}

Deno.test("childOutput() ends what a program that has succeeded lets print without end", async () => {
  const file = Deno.makeTempFileSync({ prefix: "containerkit-" });
  const child = sh(`yes & echo $! >${file}`);
  const { success, code, stderr } = await childOutput(child, { input: "" });
  assertEquals([success, code], [false, 0]);
  assertEquals(stderr, "it printed more than 1048576 bytes");
  await ended(file);
});

Deno.test("childOutput() keeps the end of what a program complains of", async () => {
  const child = sh(
    "head -c 50000000 /dev/zero | tr '\\0' x >&2; echo no room >&2; exit 1",
  );
  const { code, stderr } = await childOutput(child, { input: "" });
  assertEquals(code, 1);
  assertEquals(stderr, `${"x".repeat(16 * 1024 - 8)}no room\n`);
});

Deno.test("childOutput() waits for nothing but the program once its signal is aborted", async () => {
  const file = Deno.makeTempFileSync({ prefix: "containerkit-" });
  // What holds its output and never reads its input.
  const child = sh(`(sleep 1000 <&0) & echo $! >${file}; trap '' TERM; wait`);
  const controller = new AbortController();
  const input = "x".repeat(300_000);
  const output = childOutput(child, { input, signal: controller.signal });
  const refused = assertRejects(() => output, Error, "enough");
  await until("its start", () => Deno.readTextFileSync(file) !== "");
  controller.abort(new Error("enough"));
  await refused;
  const { signal } = await child.status;
  assertEquals(signal, "SIGKILL");
  Deno.kill(Number(Deno.readTextFileSync(file)), "SIGKILL");
  await ended(file);
  const late = sh("exec sleep 1000");
  await assertRejects(
    () => childOutput(late, { signal: AbortSignal.abort(new Error("late")) }),
    Error,
    "late",
  );
  await late.stdin.close();
});
