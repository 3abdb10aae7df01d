import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mount } from "@containerkit/mount";
import { need, rootTest, until, withCrunsCgroups } from "@containerkit/tests";
import { makeBench, processesWith } from "./_bench_test.ts";
import {
  create,
  createRuntime,
  exec,
  type ExecOptions,
  readEvents,
  run,
  RuntimeError,
  SpecError,
} from "./mod.ts";

const missing = need("runc", "busybox");
const decoder = new TextDecoder();

/** What is there of containers: folders of ours, and of the runtime. */
function left(state: string): string[] {
  return [`${state}/containers`, `${state}/runtime`].flatMap((path) =>
    [...Deno.readDirSync(path)].map(({ name }) => name)
  );
}

rootTest(
  "create() of the runtime refuses a bundle that is not there, has no configuration, or none that is JSON",
  async () => {
    using bench = makeBench();
    const folder = (name: string) => `${bench.folder}/${name}`;
    for (const name of ["empty", "half"]) Deno.mkdirSync(folder(name));
    Deno.writeTextFileSync(`${folder("half")}/config.json`, "{a");
    const cases = ["runc", "crun"].flatMap((command) =>
      ["none", "empty", "half"].map((name) => ({ command, name }))
    );
    for (const { command, name } of cases) {
      const bundle = folder(name);
      const files = folder(`${command}-${name}`);
      const error = await assertRejects(
        () =>
          createRuntime({ command, root: `${bench.folder}/root` }).create(
            "a",
            bundle,
            {
              pidFile: `${files}-pid`,
              logFile: `${files}-log`,
              stdio: ["ignore", "ignore", "ignore"],
            },
          ),
        RuntimeError,
      );
      assertEquals(error.code, "BadBundle", error.message);
    }
  },
  need("runc", "crun", "busybox"),
);

rootTest(
  "create() refuses a namespace that is not there, or whose pin was unmounted",
  async () => {
    using bench = makeBench();
    Deno.writeTextFileSync(`${bench.folder}/file`, "");
    for (
      const [name, told] of [
        ["none", "does not exist"],
        ["file", "is another file"],
      ]
    ) {
      const path = `${bench.folder}/${name}`;
      const error = await assertRejects(
        async () =>
          await create("a", await bench.spec("true", { netns: path }), {
            state: bench.state,
          }),
        RuntimeError,
        `Cannot create container "a": the network namespace "${path}" ${told}`,
      );
      assertEquals(error.code, "BadBundle");
    }
  },
  missing,
);

rootTest(
  "create() with a hook that fails, or hangs, leaves nothing",
  async () => {
    using bench = makeBench();
    const hook = (path: string, timeout?: number) => ({
      hooks: {
        createRuntime: [{
          path,
          args: [path, "12345.5"],
          ...timeout === undefined ? {} : { timeout },
        }],
      },
    });
    for (
      const options of [
        hook("/bin/false"),
        hook("/no/such"),
        hook("/bin/sleep", 1),
      ]
    ) {
      const error = await assertRejects(
        async () =>
          await create("a", await bench.spec("true", options), {
            state: bench.state,
            stderr: "null",
          }),
        RuntimeError,
      );
      assertEquals(/hook/i.test(error.message), true, error.message);
      assertEquals(left(bench.state), []);
    }
    const stop = new AbortController();
    const hanging = assertRejects(
      async () =>
        await create("a", await bench.spec("true", hook("/bin/sleep")), {
          state: bench.state,
          stderr: "null",
          signal: stop.signal,
        }),
      DOMException,
    );
    await until("sleep", () => processesWith("12345.5").length > 0);
    stop.abort();
    await hanging;
    assertEquals(left(bench.state), []);
    assertEquals(processesWith("12345.5"), []);
  },
  missing,
);

rootTest(
  "create() and exec() with a terminal refuse to write elsewhere",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const stdout = { type: "file", path: `${bench.folder}/out` } as const;
    const spec = await bench.spec("true", { terminal: true });
    await assertRejects(
      () => create("a", spec, { state, stdout }),
      TypeError,
      "Cannot start a process with a terminal: 'stdout' is the terminal, and no file",
    );
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state,
      stderr: "null",
    });
    await assertRejects(
      () =>
        container.exec(["true"], {
          terminal: true,
          stdin: { type: "fd", fd: 0 },
        }),
      TypeError,
      "'stdin' is the terminal, and no fd",
    );
    assertEquals([...Deno.readDirSync(`${container.bundle}/exec`)], []);
  },
  missing,
);

rootTest(
  "create() with a descriptor that is not open says so, and leaves nothing",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const spec = await bench.spec("true");
    const error = await assertRejects(
      () => create("a", spec, { state, stdout: { type: "fd", fd: 99_999 } }),
      RuntimeError,
      "does not start: Cannot start",
    );
    assertStringIncludes(error.message, "EBADF");
    assertEquals(left(state), []);
  },
  missing,
);

rootTest(
  "create() by what is no runtime says that it made nothing, and leaves nothing",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const spec = await bench.spec("true");
    await assertRejects(
      () => create("a", spec, { state, runtime: { command: "true" } }),
      Deno.errors.NotFound,
      "the runtime made no process",
    );
    assertEquals(left(state), []);
  },
  missing,
);

rootTest(
  "exec() refuses what create() refuses of a process, before a runtime is called",
  async () => {
    using bench = makeBench();
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state: bench.state,
      stderr: "null",
    });
    const refused = async (
      field: string,
      args: readonly string[],
      options: ExecOptions = {},
    ) => {
      const error = await assertRejects(
        () => container.exec(args, options),
        SpecError,
      );
      assertEquals(error.field, field);
    };
    await refused("process.args[1]", ["echo", "a\0b"]);
    await refused("process.env[1]", ["true"], { env: { A: "a\0b" } });
    await refused("process.cwd", ["true"], { cwd: "tmp" });
    await refused("process.oomScoreAdj", ["true"], {
      process: { oomScoreAdj: 2000 },
    });
    assertEquals(
      [...Deno.readDirSync(container.bundle)].map(({ name }) => name)
        .includes("exec"),
      false,
    );
  },
  missing,
);

rootTest(
  "exec() says that the container ended while the runtime was at it",
  async () => {
    using bench = makeBench();
    const { state, folder, rootfs } = bench;
    const command = `${folder}/runc`;
    const script = `#!/bin/sh
      case "$*" in *" exec "*)
        touch ${rootfs}/tmp/go
        while grep -q '^State:.[RSD]' /proc/$(cat ${folder}/pid)/status; do :; done
        exit 1
      esac
      exec runc "$@"`;
    Deno.writeTextFileSync(command, script, { mode: 0o755 });
    await using container = await run(
      "a",
      await bench.spec("until [ -e /tmp/go ]; do sleep 0.02; done"),
      { state, stderr: "null", runtime: { command } },
    );
    Deno.writeTextFileSync(`${folder}/pid`, `${container.pid}`);
    const error = await assertRejects(
      () => container.exec(["true"], { stderr: "null" }),
      RuntimeError,
      'Cannot run a process in container "a": the container ended meanwhile',
    );
    assertEquals([error.code, error.exitCode], ["NotRunning", 1]);
  },
  missing,
);

rootTest("start() that is told to stop in its midst starts", async () => {
  using bench = makeBench();
  const { state } = bench;
  for (let count = 0; count < 5; count++) {
    await using container = await create("a", await bench.spec("sleep 1000"), {
      state,
      stderr: "null",
    });
    const stop = new AbortController();
    const started = container.start({ signal: stop.signal });
    stop.abort();
    await started;
    assertEquals(container.state(), "running");
  }
}, missing);

rootTest(
  "create() whose runtime is killed meanwhile says so and leaves nothing",
  async () => {
    using bench = makeBench();
    const spec = await bench.spec("true", {
      hooks: {
        createRuntime: [{ path: "/bin/sleep", args: ["sleep", "12346.5"] }],
      },
    });
    const failed = assertRejects(
      async () =>
        await create("a", spec, { state: bench.state, stderr: "null" }),
      RuntimeError,
      "was killed by SIGKILL",
    );
    await until("sleep", () => processesWith("12346.5").length > 0);
    const [runtime] = processesWith(`${bench.state}/containers/a/pid`);
    Deno.kill(runtime!, "SIGKILL");
    assertEquals((await failed).code, "Interrupted");
    assertEquals(left(bench.state), []);
    assertEquals(processesWith("12346.5"), []);
  },
  missing,
);

rootTest(
  "create() that cannot tell of it fails and leaves nothing",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    Deno.mkdirSync(`${state}/events.db`, { recursive: true });
    const spec = await bench.spec("true");
    await assertRejects(() => create("a", spec, { state }));
    assertEquals(left(state), []);
  },
  missing,
);

rootTest(
  "create() in a full folder fails and leaves nothing; an exit in one is told",
  async () => {
    using bench = makeBench();
    Deno.mkdirSync(bench.state);
    await using _full = await mount(
      { type: "tmpfs", size: 2 << 20 },
      bench.state,
    );
    const spec = await bench.spec("read line; exit 3");
    // The first makes what is there for all.
    await (await create("a", spec, { state: bench.state, stderr: "null" }))
      [Symbol.asyncDispose]();
    const fill = () => {
      try {
        using file = Deno.openSync(`${bench.state}/filler`, {
          create: true,
          append: true,
        });
        for (const size of [65536, 1]) {
          try {
            for (;;) file.writeSync(new Uint8Array(size));
          } catch {
            // No more of this size.
          }
        }
      } catch {
        // Not even the file.
      }
    };
    fill();
    await assertRejects(
      async () => await run("a", spec, { state: bench.state, stderr: "null" }),
      Error,
    );
    assertEquals(left(bench.state), []);
    Deno.removeSync(`${bench.state}/filler`);
    await using container = await run("a", spec, {
      state: bench.state,
      stdin: "piped",
      stderr: "null",
    });
    fill();
    await container.stdin.close();
    assertEquals((await container.status).code, 3);
  },
  missing,
);

rootTest(
  "status of a container that another program is deleting tells no end for a second time",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state,
      stderr: "null",
    });
    // What a deletion has removed when somebody sees the end late: the record, then what is in the folder.
    Deno.removeSync(`${container.bundle}/record.json`);
    container.kill("SIGKILL");
    assertEquals((await container.status).signal, "SIGKILL");
    const events = await Array.fromAsync(readEvents({ state }));
    assertEquals(events.map(({ type }) => type), ["create", "start"]);
  },
  missing,
);

rootTest(
  "exec() that cannot be recorded ends what it started, and leaves nothing",
  async () => {
    using bench = makeBench();
    const { state } = bench;
    const command = `${bench.folder}/runc`;
    Deno.writeTextFileSync(
      command,
      [
        "#!/bin/sh",
        '/usr/sbin/runc "$@" || exit',
        `case " $* " in *" exec "*) cd ${state}/containers/a/exec; for id in *; do mkdir -p $id/record.json/x; done; esac`,
      ].join("\n"),
      { mode: 0o755 },
    );
    await using container = await run("a", await bench.spec("sleep 1000"), {
      state,
      runtime: { command },
      stderr: "null",
    });
    await assertRejects(
      () => exec({ id: "a" }, ["sleep", "12347.5"], { state, stderr: "null" }),
      Error,
      "record.json",
    );
    assertEquals(processesWith("12347.5"), []);
    assertEquals([...Deno.readDirSync(`${container.bundle}/exec`)], []);
  },
  missing,
);

rootTest("create() of one id by two programs: one has it", async () => {
  using bench = makeBench();
  const script = `
    import { createSpec, run } from ${
    JSON.stringify(import.meta.resolve("./mod.ts"))
  };
    const spec = await createSpec({}, { rootfs: ${
    JSON.stringify(bench.rootfs)
  }, args: ["sleep", "1000"] });
    await Deno.stdin.read(new Uint8Array(1));
    try {
      await using _ = await run("a", spec, { state: ${
    JSON.stringify(bench.state)
  }, stderr: "null" });
      console.log("made");
      await Deno.stdin.read(new Uint8Array(1));
    } catch (error) {
      console.log(error.code);
    }`;
  const path = `${bench.folder}/one.ts`;
  Deno.writeTextFileSync(path, script);
  const children = [1, 2].map(() => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--no-check",
        "--config",
        new URL("../deno.json", import.meta.url).pathname,
        path,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    return { child, writer: child.stdin.getWriter() };
  });
  const go = () =>
    children.map(({ writer }) => writer.write(new Uint8Array(1)));
  await Promise.all(go());
  const words = await Promise.all(children.map(async ({ child }) => {
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    return decoder.decode(value).trim();
  }));
  assertEquals(words.sort(), ["AlreadyExists", "made"]);
  await Promise.allSettled(go());
  for (const { child, writer } of children) {
    await writer.close().catch(() => {});
    await child.stdout.cancel();
    await child.status;
  }
  assertEquals(left(bench.state), []);
}, missing);

rootTest(
  "create() takes ids that every runtime takes, and no others",
  async () => {
    using bench = makeBench();
    const spec = await bench.spec("true");
    for (
      const id of [
        "",
        ".",
        "..",
        ".a",
        "a/b",
        "../a",
        "a b",
        "a\n",
        "a\0",
        "ä",
        "-a",
        "--help",
        "a:b",
        "x".repeat(77),
      ]
    ) {
      await assertRejects(
        async () => await create(id, spec, { state: bench.state }),
        TypeError,
        "Cannot use the id",
      );
    }
    for (const id of ["_", "+", "a.b_c+d-E9", "x".repeat(76)]) {
      await using container = await run(id, spec, {
        state: bench.state,
        stderr: "null",
      });
      assertEquals((await container.status).code, 0, id);
    }
  },
  missing,
);

rootTest(
  "a folder may have a name that means something elsewhere",
  () =>
    withCrunsCgroups(async () => {
      using bench = makeBench();
      const state = `${bench.folder}/a:b,c=d e\n"'$\\é`;
      for (const command of ["runc", "crun"]) {
        await using container = await run("a", await bench.spec("exit 3"), {
          state,
          runtime: { command },
          stderr: "null",
          log: {},
        });
        assertEquals((await container.status).code, 3);
      }
    }),
  need("runc", "crun", "busybox"),
);

rootTest(
  "a terminal works where the path of its socket is too long for an address",
  async () => {
    using bench = makeBench();
    const state = `${bench.folder}/${"x".repeat(100)}/${"y".repeat(100)}`;
    await using container = await run(
      "a",
      await bench.spec("stty size", { terminal: { height: 11, width: 22 } }),
      { state },
    );
    const { stdout } = await container.output();
    assertEquals(decoder.decode(stdout), "11 22\r\n");
  },
  missing,
);
