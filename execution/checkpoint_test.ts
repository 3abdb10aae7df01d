import { assertEquals, assertMatch } from "@std/assert";
import {
  makeBusyboxRootfs,
  need,
  program,
  rootTest,
  tempDir,
  until,
} from "@containerkit/tests";
import { explainCriu } from "./_explain_criu.ts";
import { createRuntime, createSpec, run, RuntimeError } from "./mod.ts";

Deno.test("explainCriu() adds the last errors of criu's log", async () => {
  using temp = tempDir();
  const log = `${temp.path}/dump.log`;
  Deno.writeTextFileSync(
    log,
    [
      "(00.001) Version: 3.17.1 (gitid 0)",
      "(00.004) Warn  (criu/kerndat.c:1): no",
      "(00.004) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory",
      "(00.004) Error (criu/util.c:642): exited, status=1",
      "(00.005)      7: Error (criu/vdso.c:123): Unexpected rt vDSO area bounds",
      "(00.005) Error (criu/kerndat.c:1): vdso_fill failed when initializing kerndat.",
      "(00.006) Error (criu/cr-dump.c:9): Dumping FAILED.",
    ].join("\n"),
  );
  assertEquals(
    await explainCriu(`criu failed: type NOTIFY errno 0\nlog file: ${log}`),
    `criu failed: type NOTIFY errno 0; log file: ${log}: exited, status=1; Unexpected rt vDSO area bounds; vdso_fill failed when initializing kerndat.`,
  );
  assertEquals(
    await explainCriu(
      `CRIU checkpointing failed -52.  Please check CRIU logfile ${log}`,
    ),
    `CRIU checkpointing failed -52.  Please check CRIU logfile ${log}: exited, status=1; Unexpected rt vDSO area bounds; vdso_fill failed when initializing kerndat.`,
  );
  for (
    const words of [
      "something else",
      `criu failed: why\nlog file: ${temp.path}/none`,
    ]
  ) assertEquals(await explainCriu(words), words);
});

rootTest(
  "checkpoint() and restore() let a program go on where it was, or say why criu cannot",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const state = `${temp.path}/state`;
    const images = `${temp.path}/images`;
    Deno.mkdirSync(images);
    const spec = await createSpec({}, {
      rootfs,
      args: [
        "sh",
        "-c",
        "n=0; while :; do n=$((n + 1)); echo $n >/count; sleep 0.05; done",
      ],
      namespaces: { network: "host" },
      seccomp: "unconfined",
    });
    const count = () => {
      try {
        return Number(Deno.readTextFileSync(`${rootfs}/count`));
      } catch {
        return 0;
      }
    };
    await using container = await run("a", spec, {
      state,
      stdout: "null",
      stderr: "null",
    });
    await until("a line", () => count() > 2);
    const runtime = createRuntime(container.runtime);
    try {
      await runtime.checkpoint("a", images);
    } catch (error) {
      const mayFail = !Deno.env.has("CONTAINERKIT_IN_GUEST");
      if (!(mayFail && error instanceof RuntimeError)) throw error;
      assertEquals(error.code, "NotSupported");
      assertMatch(
        error.message,
        program("criu") === undefined
          ? /^Cannot checkpoint container "a": CRIU version check failed: .*executable file not found/
          : /^Cannot checkpoint container "a": criu failed: .*dump\.log: ./,
      );
      // It goes on.
      const seen = count();
      await until("a line", () => count() > seen);
      return;
    }
    assertEquals((await container.status).code, 137);
    const seen = count();
    const bundle = `${temp.path}/bundle`;
    Deno.mkdirSync(bundle);
    Deno.copyFileSync(
      `${container.bundle}/config.json`,
      `${bundle}/config.json`,
    );
    await container[Symbol.asyncDispose]();
    await runtime.restore("b", bundle, {
      imagePath: images,
      pidFile: `${bundle}/pid`,
      logFile: `${bundle}/log`,
      stdio: ["ignore", "ignore", "ignore"],
    });
    try {
      assertEquals((await runtime.state("b")).status, "running");
      await until("a line", () => count() > seen);
    } finally {
      await runtime.delete("b", { force: true });
    }
    // From the start it would be below.
    assertEquals(count() > seen, true);
  },
  need("runc", "busybox"),
);
