import { assertEquals, assertRejects } from "@std/assert";
import { relative } from "@std/path/posix/relative";
import { waitId } from "@containerkit/libc";
import { need, rootTest, until } from "@containerkit/tests";
import { makeMonitored, monitorPids, processesWith } from "./_bench_test.ts";
import { isThere } from "./_is_there.ts";
import {
  attachContainer,
  create,
  deleteContainer,
  drainLog,
  openContainer,
  recoverContainers,
  run,
  RuntimeError,
  SpecError,
} from "./mod.ts";

const missing = need("runc", "busybox");

async function killMonitor(state: string): Promise<void> {
  for (const pid of monitorPids(state)) Deno.kill(pid, "SIGKILL");
  await until("the end", () => monitorPids(state).length === 0);
}

rootTest(
  "recoverContainers() has what can be taken over taken over, also with a log that cannot be opened yet",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const logs = `${state}/logs`;
    Deno.mkdirSync(logs, { recursive: true });
    const script = "while [ ! -e /tmp/go ]; do sleep 0.02; done; echo hi";
    const spec = await bench.spec(script);
    for (const id of ["broken", "logged", "other"]) {
      await using container = await run(id, spec, {
        state,
        monitor: true,
        ...id === "logged" ? { log: { path: `${logs}/log` } } : {},
      });
      container.keep();
    }
    await killMonitor(state);
    Deno.removeSync(logs, { recursive: true });
    Deno.removeSync(`${state}/containers/broken/stdout`);
    assertEquals((await recoverContainers({ state })).monitor, true);
    Deno.mkdirSync(logs);
    Deno.writeTextFileSync(`${spec.root!.path}/tmp/go`, "");
    for (const id of ["logged", "other"]) {
      await using container = openContainer(id, { state });
      assertEquals((await container.status).code, 0);
      await deleteContainer(id, { state });
    }
    assertEquals(JSON.parse(Deno.readTextFileSync(`${logs}/log`)).log, "hi\n");
    await deleteContainer("broken", { state, force: true });
  },
  missing,
);

rootTest(
  "recoverContainers() starts no monitor for a container that ended after its monitor, unseen; attachContainer() says that it has ended",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    const spec = await bench.spec("sleep 1000");
    let pid: number;
    {
      await using container = await run("a", spec, { state, monitor: true });
      pid = container.pid;
      container.keep();
    }
    await killMonitor(state);
    assertEquals((await recoverContainers({ state })).monitor, true);
    await killMonitor(state);
    Deno.kill(pid, "SIGKILL");
    await until("the end of its zombie", () => {
      try {
        waitId(pid);
      } catch {
        // Another is its parent.
      }
      return !isThere(`/proc/${pid}`);
    });
    assertEquals((await recoverContainers({ state })).monitor, false);
    const error = await assertRejects(
      () => attachContainer("a", { state }),
      RuntimeError,
      'Cannot attach to container "a": it has ended',
    );
    assertEquals(error.code, "NotRunning");
    await deleteContainer("a", { state });
  },
  missing,
);

rootTest(
  "deleteContainer() does not wait for who has joined the streams and does not read",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    await using container = await run("a", await bench.spec("yes"), {
      state,
      monitor: true,
      log: {},
    });
    await using attached = await attachContainer("a", { state });
    const log = () => Deno.statSync(container.log!.path).size;
    // Until nothing is taken from it any more.
    for (let size = -1; size !== log();) {
      size = log();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await deleteContainer("a", { state, force: true });
    assertEquals(
      (await new Response(attached.stdout).text()).startsWith("y\ny\n"),
      true,
    );
  },
  missing,
);

rootTest(
  "run() with a monitor that is told to stop while it starts leaves nothing",
  async () => {
    await using bench = makeMonitored();
    const { state, folder } = bench;
    const command = `${folder}/runc`;
    Deno.writeTextFileSync(
      command,
      `#!/bin/sh
      case "$*" in *" start "*) exec sleep 12348.25;; esac
      exec runc "$@"`,
      { mode: 0o755 },
    );
    const stop = new AbortController();
    const stopped = assertRejects(
      async () =>
        run("a", await bench.spec("true"), {
          state,
          monitor: true,
          runtime: { command, native: false },
          signal: stop.signal,
        }),
      RangeError,
      "enough",
    );
    await until("the start", () => processesWith("12348.25").length > 0);
    stop.abort(new RangeError("enough"));
    await stopped;
    assertEquals(processesWith("12348.25"), []);
    assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
  },
  missing,
);

rootTest(
  "deleteContainer() waits no longer for a monitor that is stopped once its signal is aborted",
  async () => {
    await using bench = makeMonitored();
    const { state } = bench;
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state,
      monitor: true,
    });
    container.keep();
    const [monitor] = monitorPids(state);
    Deno.kill(monitor!, "SIGSTOP");
    try {
      const signal = AbortSignal.timeout(500);
      await assertRejects(
        () => deleteContainer("a", { state, force: true, signal }),
        DOMException,
      );
    } finally {
      Deno.kill(monitor!, "SIGCONT");
    }
    await deleteContainer("a", { state });
  },
  missing,
);

for (const monitor of [false, true]) {
  rootTest(
    `create() takes paths that are relative, ${
      monitor ? "with" : "without"
    } a monitor`,
    async () => {
      await using bench = makeMonitored();
      const [state, root, path] = ["", "/root", "/log"].map((name) =>
        `${bench.state}${name}`
      ) as [string, string, string];
      const here = (path: string) => relative(Deno.cwd(), path);
      await using container = await run("a", await bench.spec("echo hi"), {
        monitor,
        state: here(state),
        runtime: { root: here(root) },
        log: { path: here(path) },
      });
      assertEquals((await container.status).code, 0);
      assertEquals(
        [container.bundle, container.runtime.root, container.log?.path],
        [`${state}/containers/a`, root, path],
      );
      await using found = openContainer("a", { state: here(state) });
      assertEquals([found.state(), found.bundle], [
        "stopped",
        container.bundle,
      ]);
    },
    missing,
  );
}

for (const monitor of [false, true]) {
  rootTest(
    `create() fails with errors of their kinds, ${
      monitor ? "with" : "without"
    } a monitor`,
    async () => {
      await using bench = makeMonitored();
      const spec = await bench.spec("true");
      const options = { state: bench.state, monitor };
      const missing = { path: `${bench.state}/none/log` };
      await assertRejects(
        () => create("a", spec, { ...options, log: { maxSize: 0 } }),
        RangeError,
        "expected maxSize and maxFiles of at least 1",
      );
      await assertRejects(
        () => create("a", spec, { ...options, log: missing }),
        Deno.errors.NotFound,
        missing.path,
      );
      const outside = { ...spec, linux: { cgroupsPath: "/../a" } };
      const error = await assertRejects(
        () => create("a", outside, options),
        SpecError,
        'Cannot use the spec: linux.cgroupsPath is "/../a", expected a path',
      );
      assertEquals(error.field, "linux.cgroupsPath");
    },
    missing,
  );
}

for (const monitor of [false, true]) {
  rootTest(
    `start() of a container that has ended says so, ${
      monitor ? "with" : "without"
    } a monitor`,
    async () => {
      await using bench = makeMonitored();
      const { state } = bench;
      const spec = await bench.spec("true");
      await using container = await create("a", spec, { state, monitor });
      container.kill("KILL");
      await container.status;
      await drainLog("a", { state });
      const error = await assertRejects(() => container.start(), RuntimeError);
      assertEquals(error.code, "NotRunning");
    },
    missing,
  );
}

for (const monitor of [false, true]) {
  rootTest(
    `start() that was told to stop before leaves the program unstarted, ${
      monitor ? "with" : "without"
    } a monitor`,
    async () => {
      await using bench = makeMonitored();
      const { state } = bench;
      const spec = await bench.spec("true");
      await using container = await create("a", spec, { state, monitor });
      const signal = AbortSignal.abort(new RangeError("enough"));
      await assertRejects(() => container.start({ signal }), RangeError);
      assertEquals(container.state(), "created");
    },
    missing,
  );
}
