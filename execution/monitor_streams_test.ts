import { assertEquals, assertRejects } from "@std/assert";
import { need, rootTest, until } from "@containerkit/tests";
import { makeMonitored, monitorPids } from "./_bench_test.ts";
import { isThere } from "./_is_there.ts";
import { attachContainer, run } from "./mod.ts";

const missing = need("runc", "busybox");
const encoder = new TextEncoder();

rootTest(
  "the input of a container with a monitor outlasts its outputs",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const spec = await bench.spec("exec >/dev/null 2>&1; cat >/tmp/got");
    await using container = await run("a", spec, {
      state,
      monitor: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    for (const output of [container.stdout, container.stderr]) {
      assertEquals(await new Response(output).text(), "");
    }
    const input = container.stdin.getWriter();
    await input.write(encoder.encode("late"));
    await input.close();
    assertEquals((await container.status).code, 0);
    assertEquals(Deno.readTextFileSync(`${spec.root!.path}/tmp/got`), "late");
  },
  missing,
);

rootTest(
  "a monitor ends although somebody still has the input of a container that has ended",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    await using container = await run("a", await bench.spec("true"), {
      state,
      monitor: true,
      stdin: "piped",
    });
    await container.status;
    await until("the end", () => monitorPids(state).length === 0);
  },
  missing,
);

rootTest(
  "writing to a container with a monitor that reads no more, or was let go, is a BrokenPipe",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const spec = await bench.spec(
      "exec <&-; touch /tmp/closed; while ! [ -e /tmp/go ]; do sleep 0.1; done",
    );
    await using container = await run("a", spec, {
      state,
      monitor: true,
      stdin: "piped",
    });
    const { path } = spec.root!;
    await until("the end of its input", () => isThere(`${path}/tmp/closed`));
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    });
    await assertRejects(
      () => endless.pipeTo(container.stdin),
      Deno.errors.BrokenPipe,
      "Cannot write to the standard input: nobody reads it any more",
    );
    assertEquals(container.state(), "running");
    await using other = await attachContainer("a", { state });
    const input = other.stdin.getWriter();
    other.keep();
    await assertRejects(
      () => input.write(new Uint8Array(1)),
      Deno.errors.BrokenPipe,
      "Cannot write to the standard input: it is closed",
    );
    Deno.writeTextFileSync(`${path}/tmp/go`, "");
    assertEquals((await container.status).code, 0);
  },
  missing,
);

rootTest(
  "writing to a container with a monitor that has no input is a BrokenPipe",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    await using _container = await run("a", await bench.spec("sleep 1000"), {
      state,
      monitor: true,
    });
    await using attached = await attachContainer("a", { state });
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    });
    await assertRejects(
      () => endless.pipeTo(attached.stdin),
      Deno.errors.BrokenPipe,
    );
  },
  missing,
);

rootTest(
  "what breaks off on the way to a container with a monitor ends its input",
  async () => {
    await using bench = makeMonitored();
    await using container = await run("a", await bench.spec("wc -c"), {
      state: bench.state,
      monitor: true,
      stdin: "piped",
      stdout: "piped",
    });
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new RangeError("broken")),
    });
    await assertRejects(() => broken.pipeTo(container.stdin), RangeError);
    assertEquals(await new Response(container.stdout).text(), "0\n");
  },
  missing,
);
