import { assertEquals, assertRejects } from "@std/assert";
import { need, rootTest, tempDir, until } from "@containerkit/tests";
import { makeMonitored, monitorPids, processesWith } from "./_bench_test.ts";
import { isThere } from "./_is_there.ts";
import {
  attachContainer,
  deleteContainer,
  drainLog,
  openContainer,
  readLog,
  recoverContainers,
  run,
  runMonitor,
  RuntimeError,
} from "./mod.ts";

const missing = need("runc", "busybox");
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Whether somebody waits to be let in: a line of the kernel's with the path, and no inode yet. */
function isConnected(path: string): boolean {
  return Deno.readTextFileSync("/proc/net/unix").split("\n")
    .filter((line) => line.endsWith(` ${path}`)).length > 1;
}

async function readUntil(
  stream: ReadableStream<Uint8Array>,
  text: string,
): Promise<string> {
  let seen = "";
  const reader = stream.getReader();
  while (!seen.includes(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`end after "${seen}"`);
    seen += decoder.decode(value);
  }
  reader.releaseLock();
  return seen;
}

async function type(
  stream: WritableStream<Uint8Array<ArrayBufferLike>>,
  text: string,
): Promise<void> {
  const writer = stream.getWriter();
  await writer.write(encoder.encode(text));
  writer.releaseLock();
}

async function logText(path: string): Promise<string> {
  let text = "";
  for await (const entry of readLog({ path })) {
    text += decoder.decode(entry.text);
  }
  return text;
}

rootTest("runMonitor() survives what no code handles", async () => {
  await using temp = tempDir();
  const { error } = console;
  const told: unknown[] = [];
  console.error = (...words) => void told.push(...words);
  try {
    const ended = runMonitor({ state: temp.path, idle: 500 });
    await until("the monitor", async () => {
      try {
        return (await Deno.stat(`${temp.path}/monitor.sock`)).isSocket === true;
      } catch {
        return false;
      }
    });
    const reason = new Error("of one container");
    Promise.reject(reason);
    await ended;
    assertEquals(told.includes(reason), true);
  } finally {
    console.error = error;
  }
});

rootTest(
  "drainLog() waits for what the monitor has not logged yet",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const spec = await bench.spec(
      "while ! [ -e /tmp/go ]; do :; done; echo last",
    );
    await using container = await run("a", spec, {
      state,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      monitor: true,
      log: {},
    });
    const [monitor] = monitorPids(state);
    Deno.kill(monitor!, "SIGSTOP");
    try {
      Deno.writeTextFileSync(`${spec.root!.path}/tmp/go`, "");
      assertEquals((await openContainer("a", { state }).status).code, 0);
      const entries = readLog(container.log!, {
        follow: drainLog("a", { state }),
      });
      const first = entries.next();
      Deno.kill(monitor!, "SIGCONT");
      assertEquals(decoder.decode((await first).value?.text), "last\n");
      assertEquals((await entries.next()).done, true);
    } finally {
      Deno.kill(monitor!, "SIGCONT");
    }
  },
  missing,
);

rootTest("drainLog() waits no longer once its signal is aborted", async () => {
  await using bench = makeMonitored();
  const { state } = bench;
  await using _container = await run("a", await bench.spec("sleep 30"), {
    state,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    monitor: true,
    log: {},
  });
  // The first is aborted before it has asked, the second while it waits.
  for (const signal of [AbortSignal.abort(), AbortSignal.timeout(200)]) {
    await assertRejects(() => drainLog("a", { state, signal }), DOMException);
  }
}, missing);

rootTest("run() with a monitor streams, logs and tells the exit", async () => {
  await using bench = makeMonitored();
  await using container = await run(
    "a",
    await bench.spec("echo hi; cat; echo err >&2; exit 7"),
    {
      state: bench.state,
      monitor: true,
      log: {},
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    },
  );
  await type(container.stdin, "typed\n");
  await container.stdin.close();
  const { code, stdout, stderr } = await container.output();
  assertEquals([code, decoder.decode(stdout), decoder.decode(stderr)], [
    7,
    "hi\ntyped\n",
    "err\n",
  ]);
  assertEquals(
    (await logText(container.log!.path)).length,
    "hi\ntyped\nerr\n".length,
  );
}, missing);

rootTest(
  "a monitor takes a chunk of the input that is larger than a frame",
  async () => {
    await using bench = makeMonitored();
    await using container = await run("a", await bench.spec("wc -c"), {
      state: bench.state,
      monitor: true,
      stdin: "piped",
      stdout: "piped",
    });
    const input = container.stdin.getWriter();
    const [{ stdout }] = await Promise.all([
      container.output(),
      input.write(new Uint8Array(17 << 20)).then(() => input.close()),
    ]);
    assertEquals(decoder.decode(stdout), `${17 << 20}\n`);
  },
  missing,
);

rootTest(
  "run() with a monitor that is told to stop leaves nothing",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const hook = { path: "/bin/sleep", args: ["sleep", "12348.5"] };
    const spec = await bench.spec("true", { hooks: { createRuntime: [hook] } });
    const stop = new AbortController();
    const stopped = assertRejects(
      () => run("a", spec, { state, monitor: true, signal: stop.signal }),
      RangeError,
      "enough",
    );
    await until("the hook", () => processesWith("12348.5").length > 0);
    stop.abort(new RangeError("enough"));
    await stopped;
    assertEquals(processesWith("12348.5"), []);
    assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
  },
  missing,
);

rootTest("runMonitor() that was told to stop before ends", async () => {
  await using temp = tempDir();
  await runMonitor({
    state: temp.path,
    idle: 600_000,
    signal: AbortSignal.abort(),
  });
  assertEquals(isThere(`${temp.path}/monitor.sock`), false);
});

rootTest(
  "runMonitor() that is told to stop lets go of a container that is still being made",
  async () => {
    await using bench = makeMonitored();
    const { state, folder } = bench;
    const program = `${folder}/monitor.ts`;
    Deno.writeTextFileSync(
      program,
      `import { runMonitor } from ${
        JSON.stringify(import.meta.resolve("./mod.ts"))
      };
      const stop = new AbortController();
      const abort = () => stop.abort();
      Deno.addSignalListener("SIGTERM", abort);
      await runMonitor({ state: Deno.args[0], idle: 60_000, signal: stop.signal });
      Deno.removeSignalListener("SIGTERM", abort);`,
    );
    const hook = {
      path: "/bin/sh",
      args: [
        "sh",
        "-c",
        `touch ${folder}/begun; until [ -e ${folder}/go ]; do sleep 0.02; done`,
      ],
    };
    const running = run(
      "a",
      await bench.spec("sleep 1000", { hooks: { createRuntime: [hook] } }),
      {
        state,
        monitor: {
          command: [
            Deno.execPath(),
            "run",
            "-Aq",
            `--config=${import.meta.dirname}/../deno.json`,
            program,
          ],
        },
      },
    );
    await until("the hook", () => isThere(`${folder}/begun`));
    const [monitor] = processesWith(program);
    Deno.kill(monitor!, "SIGTERM");
    await until(
      "the end of its socket",
      () => !isThere(`${state}/monitor.sock`),
    );
    Deno.writeTextFileSync(`${folder}/go`, "");
    // Its answer may be lost as the monitor ends.
    const container = await running.catch(() => openContainer("a", { state }));
    try {
      await until("the end", () => processesWith(program).length === 0);
      assertEquals(isThere(`/proc/${container.pid}`), true);
    } finally {
      await container[Symbol.asyncDispose]();
      await deleteContainer("a", { state, force: true }).catch(() => {});
    }
  },
  missing,
);

rootTest("run() with a monitor throws what the runtime said", async () => {
  await using bench = makeMonitored();
  const error = await assertRejects(
    async () =>
      await run("a", {
        ...await bench.spec("true"),
        root: { path: "/no/such" },
      }, {
        state: bench.state,
        monitor: true,
      }),
    RuntimeError,
    'Cannot create container "a": the root filesystem "/no/such" does not exist',
  );
  assertEquals(error.code, "BadBundle");
}, missing);

rootTest("attachContainer() says that a container has ended", async () => {
  await using bench = makeMonitored();
  const { state } = bench;
  await using container = await run("a", await bench.spec("true"), {
    state,
    monitor: true,
  });
  await container.status;
  await drainLog("a", { state });
  const error = await assertRejects(
    () => attachContainer("a", { state }),
    RuntimeError,
    'Cannot attach to container "a": it has ended',
  );
  assertEquals(error.code, "NotRunning");
}, missing);

rootTest(
  "attachContainer() joins a terminal that another program left",
  async () => {
    await using bench = makeMonitored();
    const options = { state: bench.state };
    {
      await using container = await run(
        "a",
        await bench.spec("read x; echo got $x; stty size; exit 3", {
          terminal: true,
        }),
        {
          ...options,
          monitor: true,
          stdin: "piped",
        },
      );
      container.keep();
    }
    {
      await using container = await attachContainer("a", options);
      container.resize({ height: 12, width: 34 });
      await type(container.stdin, "it\n");
      await readUntil(container.stdout, "got it\r\n12 34\r\n");
      assertEquals((await container.status).code, 3);
    }
    await deleteContainer("a", options);
  },
  missing,
);

rootTest(
  "run() of a compiled program that names no monitor is refused: it would start itself",
  async () => {
    await using bench = makeMonitored();
    const spec = await bench.spec("true");
    const build = Object.getOwnPropertyDescriptor(Deno, "build")!;
    Object.defineProperty(Deno, "build", {
      ...build,
      value: { ...Deno.build, standalone: true },
    });
    try {
      await assertRejects(
        () => run("a", spec, { state: bench.state, monitor: true }),
        TypeError,
        "monitor.command",
      );
    } finally {
      Object.defineProperty(Deno, "build", build);
    }
  },
  missing,
);

rootTest(
  "run() starts one monitor for containers that are made at the same time",
  async () => {
    await using bench = makeMonitored();
    const containers = await Promise.all(
      ["a", "b", "c", "d"].map(async (id) =>
        await run(id, await bench.spec("sleep 1000"), {
          state: bench.state,
          monitor: true,
        })
      ),
    );
    assertEquals(monitorPids(bench.state).length, 1);
    for (const container of containers) await container[Symbol.asyncDispose]();
  },
  missing,
);

rootTest(
  "run() while a monitor is ending starts the next one",
  async () => {
    await using bench = makeMonitored();
    const { state, spec } = bench;
    const path = `${state}/monitor.sock`;
    Deno.mkdirSync(state, { recursive: true });
    // It lets in whoever comes, but serves nobody any more.
    const ending = Deno.listen({ transport: "unix", path });
    const running = run("later", await spec("true"), {
      state,
      monitor: true,
    });
    await until("its connection", () => isConnected(path));
    Deno.removeSync(path);
    ending.close();
    await using container = await running;
    assertEquals((await container.status).code, 0);
  },
  missing,
);

rootTest(
  "a terminal that nobody has joined does not make its container wait",
  async () => {
    await using bench = makeMonitored();
    await using container = await run(
      "a",
      await bench.spec("yes | head -n 200000; exit 6", { terminal: true }),
      { state: bench.state, monitor: true },
    );
    assertEquals((await container.status).code, 6);
  },
  missing,
);

rootTest(
  "recoverContainers() replaces a monitor that was killed: container, exit code and output are there",
  async () => {
    await using bench = makeMonitored();
    const options = { state: bench.state };
    {
      const container = await run(
        "a",
        await bench.spec(
          "echo one; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo two; exit 5",
        ),
        {
          ...options,
          monitor: true,
          log: { format: "json" },
        },
      );
      container.keep();
      await container[Symbol.asyncDispose]();
    }
    const log = `${bench.state}/containers/a/output.log`;
    await until("the line", async () => (await logText(log)) === "one\n");
    const [monitor] = monitorPids(bench.state);
    Deno.kill(monitor!, "SIGKILL");
    await until("the end", () => monitorPids(bench.state).length === 0);
    assertEquals(openContainer("a", options).state(), "running");
    assertEquals(await recoverContainers(options), {
      undone: [],
      monitor: true,
    });
    assertEquals(await recoverContainers(options), {
      undone: [],
      monitor: false,
    });
    const { root } = JSON.parse(
      Deno.readTextFileSync(`${bench.state}/containers/a/config.json`),
    );
    await using container = await attachContainer("a", options);
    Deno.writeTextFileSync(`${root.path}/tmp/go`, "");
    await readUntil(container.stdout, "two\n");
    assertEquals((await container.status).code, 5);
    await deleteContainer("a", options);
  },
  missing,
);
