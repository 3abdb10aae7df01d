/**
 * Makes, starts, keeps and deletes containers, and runs further processes in
 * them, until it is killed: with a monitor, files or nothing for their output.
 * It begins when it is told to.
 *
 * `deno run -A execution_victim.ts <state> <rootfs> <prefix>`
 */
import { createSpec, deleteContainer, run } from "@containerkit/execution";

const [state = "", rootfs = "", prefix = ""] = Deno.args;

/** Whoever kills us knows by these lines what must be there afterwards, and what not. */
function tell(what: "made" | "deleting" | "deleted", id: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${what} ${id}\n`));
}

const spec = await createSpec({}, {
  rootfs,
  args: ["sh", "-c", "echo one; sleep 1000 & echo two; wait"],
  seccomp: "unconfined",
});
await Deno.stdin.read(new Uint8Array(1));
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
  tell("made", id);
  {
    await using process = await container.exec(["sh", "-c", "sleep 0.02"], {
      stdout: "piped",
      stderr: "null",
    });
    await process.output();
  }
  await container[Symbol.asyncDispose]();
  if (index % 3 === 2) {
    const old = `${prefix}-${index - 1}`;
    tell("deleting", old);
    await deleteContainer(old, { state, force: true });
    tell("deleted", old);
  }
}
