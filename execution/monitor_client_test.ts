import { assertEquals, assertRejects } from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import { create, createSpec, drainLog } from "./mod.ts";

rootTest(
  "drainLog() and create() wait no longer for a monitor that says nothing once they are told to stop",
  async () => {
    await using temp = tempDir();
    const state = temp.path;
    using _silent = Deno.listen({
      transport: "unix",
      path: `${state}/monitor.sock`,
    });
    const spec = await createSpec({ Cmd: ["true"] }, { rootfs: "/" });
    const calls = [
      (signal: AbortSignal) => drainLog("a", { state, signal }),
      (signal: AbortSignal) =>
        create("a", spec, { state, monitor: true, signal }),
    ];
    for (const call of calls) {
      const stop = new AbortController();
      const stopped = assertRejects(
        () => call(stop.signal),
        RangeError,
        "enough",
      );
      setTimeout(() => stop.abort(new RangeError("enough")), 20);
      await stopped;
    }
  },
);

Deno.test("create() refuses descriptors for a container that a monitor makes", async () => {
  using temp = tempDir();
  const spec = await createSpec({ Cmd: ["true"] }, { rootfs: temp.path });
  for (const monitor of [true, { type: "conmon" }] as const) {
    await assertRejects(
      () => create("a", spec, { state: temp.path, monitor, preserve: [0] }),
      TypeError,
      "preserve",
    );
  }
  assertEquals([...Deno.readDirSync(temp.path)], []);
});

rootTest(
  "create() says that the monitor it was told cannot be run",
  async () => {
    await using temp = tempDir();
    const spec = await createSpec({ Cmd: ["true"] }, { rootfs: temp.path });
    const monitor = { command: ["/no/such", "monitor"] };
    await assertRejects(
      () => create("a", spec, { state: temp.path, monitor }),
      Deno.errors.NotFound,
      `Cannot start the monitor of "${temp.path}": "/no/such" cannot be run`,
    );
  },
);

rootTest(
  "create() tells of a monitor that does not come up where it says why",
  async () => {
    await using temp = tempDir();
    const spec = await createSpec({ Cmd: ["true"] }, { rootfs: temp.path });
    const monitor = { command: ["sh", "-c", "echo no such flag >&2"] };
    const log = `${temp.path}/monitor.log`;
    await assertRejects(
      () => create("a", spec, { state: temp.path, monitor }),
      Deno.errors.TimedOut,
      `does not listen; what it says is in "${log}"`,
    );
    assertEquals(Deno.readTextFileSync(log), "no such flag\n");
  },
);
