/**
 * Makes, starts and keeps containers until it is killed: with a monitor, files or nothing for their output.
 *
 * `deno run -A execution_victim.ts <state> <rootfs> <prefix>`
 */
import { createSpec, run } from "@containerkit/execution";

const [state = "", rootfs = "", prefix = ""] = Deno.args;
const spec = await createSpec({}, {
  rootfs,
  args: ["sh", "-c", "echo one; sleep 1000 & echo two; wait"],
  seccomp: "unconfined",
});
for (let index = 0;; index++) {
  const id = `${prefix}-${index}`;
  const monitored = index % 2 === 0;
  const container = await run(
    id,
    spec,
    monitored ? { state, monitor: true, log: {} } : {
      state,
      stdout: { type: "file", path: `${state}/${id}.out` },
      stderr: "null",
    },
  );
  container.keep();
  await container[Symbol.asyncDispose]();
  // Whoever kills us knows by this line what must be there afterwards.
  Deno.stdout.writeSync(new TextEncoder().encode(`${id}\n`));
}
