import { assert, assertEquals } from "@std/assert";
import { testIf, until } from "@containerkit/tests";
import { identify, isAlive } from "./_process.ts";

testIf(
  Deno.build.os === "linux" ? undefined : "processes are those of Linux",
  "isAlive() is false of a process that has ended and was not waited for",
  async () => {
    const parent = new Deno.Command("sh", {
      args: ["-c", "sleep 60 & echo $!; exec sleep 60"],
      stdout: "piped",
    }).spawn();
    const output = parent.stdout.getReader();
    const { value } = await output.read();
    const pid = Number(new TextDecoder().decode(value));
    const found = identify(pid)!;
    assert(isAlive(found));
    // Else the shell would wait for it.
    await until(
      "the exec of the shell",
      () =>
        Deno.readTextFileSync(`/proc/${parent.pid}/comm`).trim() === "sleep",
    );
    Deno.kill(pid, "SIGKILL");
    await until("its end", () => !isAlive(found));
    assertEquals(identify(pid), undefined);
    // Its parent still has it.
    Deno.statSync(`/proc/${pid}`);
    parent.kill("SIGKILL");
    await output.cancel();
    await parent.status;
  },
);
