import { assert, assertEquals, assertRejects } from "@std/assert";
import { tempDir, until } from "@containerkit/tests";
import { eachLineOf, runProgram } from "./_run_program.ts";
import { walkUsage } from "./_walk_usage.ts";

Deno.test("runProgram() kills what prints without end, and says so", async () => {
  using temp = tempDir();
  const file = `${temp.path}/pid`;
  await assertRejects(
    () => runProgram("fill it", "sh", ["-c", `yes & echo $! >${file}; yes`]),
    Error,
    "Cannot fill it: sh failed with 137: it printed more than 1048576 bytes",
  );
  const pid = Deno.readTextFileSync(file).trim();
  await until(`the end of ${pid}`, async () => {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
    return stat === "" || /\) Z/.test(stat);
  });
});

Deno.test("runProgram() fails with the last of many words", async () => {
  const script =
    "head -c 50000000 /dev/zero | tr '\\0' x >&2; echo no room >&2; exit 1";
  const { message } = await assertRejects(
    () => runProgram("fill it", "sh", ["-c", script]),
    Error,
  );
  assertEquals(
    message,
    `Cannot fill it: sh failed with 1: ${"x".repeat(500 - 7)}no room`,
  );
});

Deno.test("eachLineOf() cuts lines that are too long", async () => {
  const long = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo next";
  const lines: string[] = [];
  const complaints: string[] = [];
  const code = await eachLineOf(
    {
      action: "count",
      command: "sh",
      args: ["-c", `${long}; (${long}) >&2; printf end; exit 2`],
      signal: undefined,
    },
    (line) => lines.push(line),
    (line) => complaints.push(line),
  );
  assertEquals(code, 2);
  for (const { length } of [lines.shift()!, complaints.shift()!]) {
    assert(length < 150_000, `${length}`);
  }
  assertEquals([lines, complaints], [["next", "end"], ["next"]]);
});

Deno.test("walkUsage() tells what vanishes from what cannot be counted, however much vanishes", async () => {
  using temp = tempDir();
  const before = Deno.env.get("PATH")!;
  const vanish =
    `yes "find: 'x': No such file or directory" | head -n 100000 >&2`;
  const find = (script: string) =>
    Deno.writeTextFileSync(
      `${temp.path}/find`,
      `#!/bin/sh\nPATH=${before}\necho 1 8 1 5 f\n${script}\nexit 1\n`,
      { mode: 0o755 },
    );
  Deno.env.set("PATH", `${temp.path}:${before}`);
  try {
    find(vanish);
    assertEquals(await walkUsage("/volume", undefined), {
      bytes: 4096,
      inodes: 1,
      counted: "walk",
    });
    find(`echo "find: 'y': Permission denied" >&2; ${vanish}`);
    await assertRejects(
      () => walkUsage("/volume", undefined),
      Error,
      `Cannot count what is in "/volume": find failed with 1: find: 'y': Permission denied`,
    );
  } finally {
    Deno.env.set("PATH", before);
  }
});
