import { assertEquals, assertMatch } from "@std/assert";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
  withCrunsCgroups,
} from "@containerkit/tests";
import { createSpec, run } from "./mod.ts";

const FILE_SIZE_REGEXP = /^Max file size +65536 +unlimited /m;

for (const command of ["runc", "crun"]) {
  rootTest(
    `run() and exec() on ${command} lift a limit altogether, with a monitor too`,
    () =>
      withCrunsCgroups(async () => {
        using temp = tempDir();
        const rootfs = `${temp.path}/rootfs`;
        Deno.mkdirSync(rootfs);
        makeBusyboxRootfs(rootfs);
        const show = ["cat", "/proc/self/limits"];
        const spec = await createSpec({}, {
          rootfs,
          args: ["sh", "-c", `${show.join(" ")}; echo end; sleep 1000`],
          rlimits: { RLIMIT_FSIZE: [65536, Infinity] },
        });
        for (const monitor of [false, true]) {
          await using container = await run("a", spec, {
            state: `${temp.path}/state`,
            runtime: { command },
            monitor,
            stdout: "piped",
          });
          let text = "";
          const decoded = container.stdout.pipeThrough(new TextDecoderStream());
          for await (const part of decoded) {
            text += part;
            if (text.includes("end\n")) break;
          }
          assertMatch(text, FILE_SIZE_REGEXP);
          await using process = await container.exec(show, { stdout: "piped" });
          const { code, stdout } = await process.output();
          assertEquals(code, 0);
          assertMatch(new TextDecoder().decode(stdout), FILE_SIZE_REGEXP);
        }
      }),
    need(command, "busybox"),
  );
}
