import { assertEquals, assertRejects } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { createRuntime, loadApparmor, RuntimeError } from "./mod.ts";

/** A program that stands for a runtime. */
function fakeRuntime(folder: string, script: string) {
  const command = `${folder}/runc`;
  Deno.writeTextFileSync(command, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return createRuntime({ command, root: "/r" });
}

Deno.test("Runtime ends a program that prints without end, and says so", async () => {
  using temp = tempDir();
  const runtime = fakeRuntime(temp.path, "yes | tr -d '\\n' & exec yes");
  const error = await assertRejects(
    () => runtime.list({ signal: new AbortController().signal }),
    RuntimeError,
    "Cannot list the containers: it printed more than 67108864 bytes",
  );
  assertEquals([error.code, error.exitCode], ["Interrupted", null]);
});

Deno.test("Runtime finds why a call failed at the end of many words", async () => {
  using temp = tempDir();
  const script = "head -c 2000000 /dev/zero >&2; echo >&2; echo no room >&2";
  const runtime = fakeRuntime(temp.path, `${script}; exit 1`);
  const { message } = await assertRejects(
    () => runtime.state("a"),
    RuntimeError,
  );
  assertEquals(message.slice(-7), "no room");
});

Deno.test("Runtime finds why a call failed at the end of a log that is larger than a text can be", async () => {
  using temp = tempDir();
  const logFile = `${temp.path}/log.json`;
  const last = JSON.stringify({ level: "error", msg: "no room" });
  const runtime = fakeRuntime(
    temp.path,
    `truncate -s 600M ${logFile}; (echo; echo '${last}') >>${logFile}; exit 1`,
  );
  await assertRejects(
    () =>
      runtime.create("a", temp.path, {
        stdio: ["ignore", "ignore", "ignore"],
        pidFile: `${temp.path}/pid`,
        logFile,
      }),
    RuntimeError,
    "no room",
  );
});

Deno.test("loadApparmor() kills a parser that prints without end, and says so", async () => {
  using temp = tempDir();
  const command = `${temp.path}/apparmor_parser`;
  Deno.writeTextFileSync(command, "#!/bin/sh\nyes & exec yes\n", {
    mode: 0o755,
  });
  await assertRejects(
    () => loadApparmor("", { command, dryRun: true }),
    Deno.errors.InvalidData,
    "Cannot load an AppArmor profile: it printed more than 1048576 bytes",
  );
});
