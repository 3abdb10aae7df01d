import { assertEquals } from "@std/assert";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
} from "@containerkit/tests";
import { type Container, createSpec, run } from "./mod.ts";

const ENDS: Readonly<Record<string, (container: Container) => unknown>> = {
  "kill()": (container) => container.kill("SIGKILL"),
  "killAll()": (container) => container.killAll(),
  "disposing": (container) => container[Symbol.asyncDispose](),
};

for (const [name, end] of Object.entries(ENDS)) {
  rootTest(
    `${name} ends a container whose processes came to this program from a parent that died`,
    async () => {
      using temp = tempDir();
      const rootfs = `${temp.path}/rootfs`;
      Deno.mkdirSync(rootfs);
      makeBusyboxRootfs(rootfs);
      const spec = await createSpec({}, { rootfs, args: ["sleep", "1000"] });
      await using container = await run("orphans", spec, {
        state: `${temp.path}/state`,
        stdout: "null",
        stderr: "null",
      });
      // A runtime that nobody here holds starts one and ends: this program is the subreaper.
      const { success } = await new Deno.Command("runc", {
        args: [
          "--root",
          `${temp.path}/state/runtime`,
          "exec",
          "--detach",
          "orphans",
          "sleep",
          "1001",
        ],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
      assertEquals(success, true);
      assertEquals(container.pids().length, 2);
      await end(container);
      const { signal } = await container.status;
      assertEquals(signal, "SIGKILL");
    },
    need("runc", "busybox"),
  );
}
