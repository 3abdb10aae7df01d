import {
  type ConmonOptions,
  drainLog,
  type LogFormat,
  run,
  type Spec,
} from "@containerkit/execution";
import { program } from "../need.ts";
import type { Bench } from "./bench.ts";

/** What a container prints that is logged, by ours in this process and by conmon. */
export async function benchLogs(
  bench: Bench,
  { state, make }: {
    state: string;
    make: (args: string[]) => Promise<Spec>;
  },
): Promise<void> {
  if (program("conmon") === undefined) {
    return bench.skip("log 100 MB of lines", "conmon is not installed");
  }
  const line = "0123456789".repeat(7);
  const spec = await make(["sh", "-c", `yes ${line} | head -c 100000000`]);
  let count = 0;
  const log = async (format: LogFormat, monitor?: ConmonOptions) => {
    const id = `log-${count++}`;
    await using container = await run(id, spec, {
      state,
      stdout: "null",
      stderr: "null",
      ...monitor === undefined
        ? { log: { format, maxSize: 64 << 20 } }
        : { log: { format }, monitor },
    });
    await container.status;
    await drainLog(id, { state });
  };
  for (const [format, goal] of [["cri", 1.5], ["json", 2]] as const) {
    await bench.compare({
      name: `log 100 MB of lines as ${format}: conmon, as cri`,
      ours: () => log(format),
      peer: () => log("cri", { type: "conmon" }),
      goal,
      rounds: 3,
    });
  }
}
