import { assertEquals } from "@std/assert";
import { rootTest, tempDir, until } from "@containerkit/tests";
import { isThere } from "./_is_there.ts";
import { runMonitor } from "./mod.ts";

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
