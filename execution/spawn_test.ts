import { assertEquals } from "@std/assert";
import { prctl, PrctlOption } from "@containerkit/libc";
import { rootTest, until } from "@containerkit/tests";
import { processesWith } from "./_bench_test.ts";
import { spawnWith } from "./_spawn.ts";

rootTest(
  "a runtime that is told to stop takes along what it has made, also in other sessions",
  async () => {
    prctl(PrctlOption.SET_CHILD_SUBREAPER, 1);
    const stop = new AbortController();
    const ended = spawnWith(
      "sh",
      ["-c", "setsid sleep 12348.75 & sleep 12348.75 & wait"],
      {
        stdio: ["ignore", "ignore", "ignore"],
        signal: stop.signal,
      },
    );
    await until(
      "both processes",
      () =>
        processesWith("setsid").length === 0 &&
        processesWith("12348.75").length === 2,
    );
    stop.abort();
    assertEquals(await ended, { code: null, signal: "SIGKILL" });
    assertEquals(processesWith("12348.75"), []);
  },
);
