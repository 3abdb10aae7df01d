import { assertEquals, assertRejects } from "@std/assert";
import { getByHelper } from "./_credential_helper.ts";
import { runProgram } from "./_run_program.ts";

async function withProgram(
  name: string,
  script: string,
  body: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "containerkit-" });
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  try {
    await body(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Waits until there is no program of this number. */
async function ended(pid: string): Promise<void> {
  const state = () => Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  while (!/^$|\) Z/.test(await state())) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("runProgram() kills what prints without end, and ends what it has started", () =>
  withProgram("a", "yes & echo $! >$0.pid; yes", async (path) => {
    const { success, isTooLong, stdout } = await runProgram(path, {
      args: [],
      input: "",
      limit: 100_000,
    });
    assertEquals([success, isTooLong], [false, true]);
    assertEquals(stdout.length, 100_000);
    await ended((await Deno.readTextFile(`${path}.pid`)).trim());
  }));

Deno.test("runProgram() keeps the end of what a program complains of", () =>
  withProgram(
    "a",
    "head -c 2000000 /dev/zero >&2; echo no room >&2; printf 12345678",
    async (path) => {
      const { success, isTooLong, stdout, stderr } = await runProgram(path, {
        args: [],
        input: "x".repeat(300_000),
        limit: 8,
      });
      assertEquals([success, isTooLong], [true, false]);
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals(text(stdout), "12345678");
      assertEquals(text(stderr), `${"\0".repeat(16 * 1024 - 8)}no room\n`);
    },
  ));

Deno.test("a credential helper that prints without end is killed", () =>
  withProgram("docker-credential-flood", "exec yes", async (_, folder) => {
    const before = Deno.env.get("PATH")!;
    Deno.env.set("PATH", `${folder}:${before}`);
    try {
      await assertRejects(
        () => getByHelper("flood", "a.example"),
        RangeError,
        'Cannot get credentials: "docker-credential-flood" printed more than 1048576 bytes',
      );
    } finally {
      Deno.env.set("PATH", before);
    }
  }));
