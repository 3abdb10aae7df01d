import { assertEquals } from "@std/assert";
import { need, rootTest, tempDir, until } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { FrameChannel } from "./_frames.ts";
import { isThere } from "./_is_there.ts";
import { run, runMonitor } from "./mod.ts";

/** A monitor of this program, once it listens. */
async function begin(state: string, idle: number) {
  const stop = new AbortController();
  const ended = runMonitor({ state, idle, signal: stop.signal });
  await until("the monitor", () => isThere(`${state}/monitor.sock`));
  return { ended, stop: () => stop.abort() };
}

rootTest("runMonitor() that is never idle for too long stays", async () => {
  await using temp = tempDir();
  const monitor = await begin(temp.path, Infinity);
  // A timer that cannot last so long would have ended it at once.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(isThere(`${temp.path}/monitor.sock`), true);
  monitor.stop();
  await monitor.ended;
});

rootTest("runMonitor() ends when its folder has gone", async () => {
  await using temp = tempDir();
  const state = `${temp.path}/state`;
  for (const idle of [50, 600_000]) {
    const monitor = await begin(state, idle);
    Deno.removeSync(state, { recursive: true });
    if (idle > 50) monitor.stop();
    await monitor.ended;
  }
});

rootTest(
  "runMonitor() that is told to stop waits for nobody who does not ask, or does not read",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const monitor = await begin(state, 600_000);
    using _silent = await Deno.connect({
      transport: "unix",
      path: `${state}/monitor.sock`,
    });
    await using container = await run("a", await bench.spec("yes"), {
      state,
      monitor: true,
      stdout: "piped",
      log: {},
    });
    const log = () => Deno.statSync(container.log!.path).size;
    // Until nothing is taken from it any more.
    for (let size = -1; size !== log();) {
      size = log();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    monitor.stop();
    await monitor.ended;
    assertEquals(container.state(), "running");
  },
  need("runc", "busybox"),
);

rootTest("a monitor outlasts a lack of descriptors", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/monitor.sock`;
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'ulimit -n 50; exec "$0" "$@"',
      Deno.execPath(),
      "run",
      "-Aq",
      `--config=${import.meta.dirname}/../deno.json`,
      import.meta.resolve("./monitor_main.ts"),
      temp.path,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await until("the monitor", () => isThere(path));
  const connect = () => Deno.connect({ transport: "unix", path });
  {
    using open = new DisposableStack();
    for (let count = 0; count < 60; count++) open.use(await connect());
    let said = "";
    for await (
      const text of child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      said += text;
      if (said.includes("Too many open files")) break;
    }
  }
  {
    using channel = new FrameChannel(await connect());
    assertEquals(await channel.readMessage(), { ok: true });
  }
  assertEquals((await child.status).code, 0);
});
