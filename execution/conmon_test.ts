import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { prctl, PrctlOption } from "@containerkit/libc";
import { need, rootTest, until } from "@containerkit/tests";
import { type Bench, makeBench } from "./_bench_test.ts";
import { processStat } from "./_process_stat.ts";
import {
  create,
  deleteContainer,
  drainLog,
  openContainer,
  readLog,
  recoverContainers,
  run,
  RuntimeError,
} from "./mod.ts";

const missing = need("runc", "busybox", "conmon");
const decoder = new TextDecoder();
const CONMON = { type: "conmon" } as const;

function conmonPids(state: string): number[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    try {
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
      return words[0] === "conmon" &&
          words.some((word) => word.includes(state))
        ? [Number(name)]
        : [];
    } catch {
      return [];
    }
  });
}

async function lines(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(readLog({ path, format: "cri" }));
  return entries.map(({ stream, text }) => `${stream} ${decoder.decode(text)}`);
}

rootTest(
  "run() with conmon logs, tells the exit and leaves no conmon",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    {
      await using container = await run(
        "a",
        await bench.spec("echo hi; echo err >&2; exit 7"),
        { state, monitor: CONMON },
      );
      assertEquals((await container.status).code, 7);
      await until(
        "the log",
        async () => (await lines(container.log!.path)).length === 2,
      );
      assertEquals(
        (await lines(container.log!.path)).toSorted(),
        ["stderr err\n", "stdout hi\n"],
      );
    }
    assertEquals(conmonPids(state), []);
    assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
  },
  missing,
);

rootTest(
  "run() with conmon holds a terminal",
  async () => {
    using bench = makeBench();
    await using container = await run(
      "a",
      await bench.spec("test -t 1 && echo terminal", { terminal: true }),
      { state: bench.state, monitor: CONMON },
    );
    assertEquals((await container.status).code, 0);
    await until(
      "the log",
      async () => (await lines(container.log!.path)).length === 1,
    );
    assertStringIncludes((await lines(container.log!.path))[0]!, "terminal");
  },
  missing,
);

rootTest("drainLog() waits for what conmon logs", async () => {
  using bench = makeBench();
  const { state } = bench;
  await using container = await run(
    "a",
    await bench.spec("until [ -e /tmp/go ]; do sleep 0.05; done; echo last"),
    { state, monitor: CONMON },
  );
  const signal = AbortSignal.timeout(50);
  await assertRejects(() => drainLog("a", { state, signal }), DOMException);
  Deno.writeTextFileSync(`${bench.rootfs}/tmp/go`, "");
  await drainLog("a", { state });
  assertEquals(await lines(container.log!.path), ["stdout last\n"]);
}, missing);

/** Lets another program do something with `execution`; gives what it says. */
async function elsewhere(program: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-check",
      "--config",
      new URL("../deno.json", import.meta.url).pathname,
      `import * as execution from ${
        JSON.stringify(new URL("mod.ts", import.meta.url).href)
      };${program}`,
    ],
  }).output();
  assertEquals(success, true, decoder.decode(stderr));
  return decoder.decode(stdout);
}

/** Keeps a container in a program that ends, and waits until the container has ended unseen. */
async function keepUnseen(
  { state, spec }: Bench,
  script: string,
): Promise<void> {
  const options = JSON.stringify({ state, monitor: CONMON });
  const pid = Number(
    await elsewhere(`
      const container = await execution.run("b", ${
      JSON.stringify(await spec(script))
    }, ${options});
      container.keep();
      console.log(container.pid);
      Deno.exit();
    `),
  );
  await until("the end", () => {
    try {
      return !Deno.statSync(`/proc/${pid}`).isDirectory;
    } catch {
      return true;
    }
  });
}

rootTest(
  "openContainer() knows the exit of a container of conmon that ended while nobody watched",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    await keepUnseen(bench, "sleep 0.5; exit 9");
    {
      await using container = openContainer("b", { state });
      const { code, signal, exitedAt } = await container.status;
      assertEquals({ code, signal }, { code: 9, signal: null });
      assertEquals(Date.now() - Date.parse(exitedAt) < 60_000, true);
    }
    await deleteContainer("b", { state });
    assertEquals(conmonPids(state), []);
  },
  missing,
);

rootTest(
  "a conmon whose container another program deletes leaves no zombie",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    // As it is from the first container without conmon on.
    prctl(PrctlOption.SET_CHILD_SUBREAPER, 1);
    {
      await using container = await run("a", await bench.spec("sleep 1000"), {
        state,
        monitor: CONMON,
      });
      container.keep();
    }
    const [conmon] = conmonPids(state);
    assertEquals(processStat(conmon!)?.parent, Deno.pid);
    const options = JSON.stringify({ state, force: true });
    await elsewhere(`await execution.deleteContainer("a", ${options});`);
    await until("its end", () => processStat(conmon!) === undefined);
  },
  missing,
);

rootTest(
  "create() with conmon says what the runtime says, and leaves nothing",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const spec = await bench.spec("true");
    const wrong = { ...spec, process: { ...spec.process!, args: ["/nope"] } };
    const error = await assertRejects(
      () => create("a", wrong, { state, monitor: CONMON }),
      RuntimeError,
    );
    assertEquals(error.code, "CommandNotFound");
    const command = "/nowhere/conmon";
    const absent = await assertRejects(
      () => create("a", spec, { state, monitor: { ...CONMON, command } }),
      RuntimeError,
      "is not installed",
    );
    assertEquals(absent.code, "NotSupported");
    const signal = AbortSignal.timeout(5);
    await create("a", spec, { state, monitor: CONMON, signal })
      .then((container) => container[Symbol.asyncDispose](), () => {});
    assertEquals(conmonPids(state), []);
    assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
  },
  missing,
);

rootTest(
  "create() with conmon refuses streams and logs that conmon does not have",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const spec = await bench.spec("true");
    for (
      const options of [
        { stdout: "piped" },
        { stdin: "inherit" },
        { log: { format: "json" } },
        { log: { maxSize: 5 } },
      ] as const
    ) {
      await assertRejects(
        () => create("a", spec, { state, monitor: CONMON, ...options }),
        TypeError,
        "conmon",
      );
    }
  },
  missing,
);

rootTest(
  "recoverContainers() undoes what conmon made for a program that was killed before it knew",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const container = await create("a", await bench.spec("sleep 1000"), {
      state,
      monitor: CONMON,
    });
    container.keep();
    await container[Symbol.asyncDispose]();
    Deno.removeSync(`${container.bundle}/record.json`);
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
    assertEquals(conmonPids(state), []);
  },
  missing,
);
