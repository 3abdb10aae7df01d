import { assertEquals, assertRejects } from "@std/assert";
import { waitId } from "@containerkit/libc";
import { need, rootTest, until, withCrunsCgroups } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import {
  type Container,
  create,
  type CreateOptions,
  type CreateSpecOptions,
  deleteContainer,
  run,
  RuntimeError,
  type Spec,
} from "./mod.ts";

/** A container with `sleep` in it, and how to start another process in it that nobody here knows of. */
interface Orphans {
  readonly container: Container;
  /** Where it is kept. */
  readonly state: string;
  /** What it was made of. */
  readonly again: CreateOptions & { readonly spec: Spec };
  /** Its end makes it a child of this program, the subreaper: its runtime has ended. */
  stranger(...args: string[]): Promise<number>;
}

const isThere = (pid: number) => {
  try {
    Deno.lstatSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
};

async function ends(container: Container): Promise<void> {
  let ended = false;
  container.status.then(() => ended = true, () => {});
  try {
    await until("the end of the container", () => ended);
  } catch (error) {
    // What holds it has to go before the test can.
    for (const pid of container.pids()) Deno.kill(pid, "SIGKILL");
    for (const pid of childrenInState("Z")) reapNow(pid);
    throw error;
  }
}

function reapNow(pid: number): void {
  try {
    waitId(pid);
  } catch {
    // Somebody else was faster.
  }
}

function childrenInState(wanted: string): number[] {
  return Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`)
    .split(" ").filter((word) => word !== "").map(Number).filter((pid) =>
      Deno.readTextFileSync(`/proc/${pid}/stat`).includes(`) ${wanted} `)
    );
}

/** The test with runc and with crun. */
function orphanTest(
  name: string,
  script: string,
  fn: (orphans: Orphans) => Promise<void>,
  options: Partial<CreateSpecOptions> & { change?(spec: Spec): Spec } = {},
): void {
  for (const command of ["runc", "crun"]) {
    const { change = (spec) => spec, ...more } = options;
    const body = async () => {
      using bench = makeBench();
      const { state } = bench;
      const spec = await bench.spec(script, more);
      const again = {
        spec: change(spec),
        state,
        runtime: { command },
        stdout: "null",
        stderr: "null",
      } as const;
      await using container = await run("orphans", again.spec, again);
      const stranger = async (...args: string[]) => {
        const pidFile = `${bench.folder}/pid`;
        const { success } = await new Deno.Command(command, {
          args: [
            `--root=${state}/runtime`,
            "exec",
            "--detach",
            `--pid-file=${pidFile}`,
            "orphans",
            ...args,
          ],
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).output();
        assertEquals(success, true);
        return Number(Deno.readTextFileSync(pidFile));
      };
      await fn({ container, stranger, state, again });
    };
    rootTest(
      `${name}: ${command}`,
      command === "crun" ? () => withCrunsCgroups(body) : body,
      need(command, "busybox"),
    );
  }
}

const ENDS: Readonly<Record<string, (container: Container) => unknown>> = {
  "kill()": (container) => container.kill("SIGKILL"),
  "killAll()": (container) => container.killAll(),
  "disposing": (container) => container[Symbol.asyncDispose](),
};

for (const [name, end] of Object.entries(ENDS)) {
  orphanTest(
    `${name} ends a container whose processes came to this program from a parent that died`,
    "sleep 1000",
    async ({ container, stranger }) => {
      await stranger("sleep", "1001");
      const done = end(container);
      await ends(container);
      await done;
      assertEquals((await container.status).signal, "SIGKILL");
    },
  );
}

orphanTest(
  "a container ends by itself though a process of it came to this program",
  "while [ ! -e /tmp/end ]; do sleep 0.05; done; exit 3",
  async ({ container, stranger }) => {
    await stranger("sleep", "1001");
    await stranger("touch", "/tmp/end");
    await ends(container);
    assertEquals((await container.status).code, 3);
  },
);

orphanTest(
  "a process that came to this program is reaped while its container goes on",
  "sleep 1000",
  async ({ container, stranger }) => {
    const pid = await stranger("sleep", "0.1");
    await until("the end of the orphan", () => !isThere(pid));
    assertEquals(container.state(), "running");
  },
);

orphanTest(
  "processes that left their parent are reaped while a container without pid namespace goes on",
  // One in the session of the container, one that began its own.
  "(sleep 0.1 &); (setsid sleep 0.1 &); sleep 1000",
  async ({ container }) => {
    await until("the orphans", () => container.pids().length >= 2);
    await until("their end", () => container.pids().length === 1);
    await until(
      "the end of their zombies",
      () => childrenInState("Z").length === 0,
    );
    assertEquals(container.state(), "running");
  },
  { namespaces: { pid: "host" } },
);

orphanTest(
  "what a hook of the runtime leaves is reaped while the container goes on",
  "sleep 1000",
  async ({ container }) => {
    const sleeps = () =>
      Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`);
    await until(
      "the end of what the hook left",
      () => sleeps().trim() === `${container.pid}`,
    );
    assertEquals(container.state(), "running");
  },
  {
    change: (spec) => ({
      ...spec,
      hooks: {
        createRuntime: [{
          path: "/bin/sh",
          args: ["sh", "-c", "sleep 0.3 </dev/null >/dev/null 2>&1 &"],
        }],
      },
    }),
  },
);

orphanTest(
  "a container that was let go leaves no orphans, and its zombie tells how it ended until somebody has asked",
  "(sleep 0.1 &); (setsid sleep 0.1 &); sleep 0.5; exit 4",
  async ({ container, state, again }) => {
    container.keep();
    await container[Symbol.asyncDispose]();
    await until("its end", () => childrenInState("Z").includes(container.pid));
    await until(
      "the end of its orphans",
      () => childrenInState("Z").every((pid) => pid === container.pid),
    );
    // Another program, which is not its parent.
    const script = `
import { deleteContainer, openContainer } from "${
      import.meta.resolve("./mod.ts")
    }";
const options = { state: "${state}" };
await using container = openContainer("orphans", options);
const { code } = await container.status;
await deleteContainer("orphans", options);
Deno.exit(code);`;
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
      stdout: "null",
    }).output();
    assertEquals(code, 4);
    // Whatever is begun next looks around.
    await using next = await run("next", again.spec, again);
    await until("the end of its zombie", () => !isThere(container.pid));
    assertEquals(next.id, "next");
  },
  { namespaces: { pid: "host" } },
);

orphanTest(
  "deleteContainer() reaps what the end of the program that made it has left to this one",
  "sleep 1000",
  async ({ state, again }) => {
    // Its containers are not held here, and were not kept by this program.
    const script = `
import { run } from "${import.meta.resolve("./mod.ts")}";
const container = await run("left", ${JSON.stringify(again.spec)}, ${
      JSON.stringify({ ...again, spec: undefined })
    });
container.keep();
await container[Symbol.asyncDispose]();
console.log(container.pid);
Deno.exit();`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
    }).output();
    const pid = Number(new TextDecoder().decode(stdout));
    Deno.kill(pid, "SIGKILL");
    await until("its end", () => childrenInState("Z").includes(pid));
    await deleteContainer("left", { state });
    assertEquals(isThere(pid), false);
  },
);

orphanTest(
  "children that somebody else waits for are left to them, however late that is",
  "sleep 1000",
  async ({ stranger }) => {
    const children = [false, true].map((detached) =>
      new Deno.Command("sh", { args: ["-c", "exit 7"], detached }).spawn()
    );
    const spawned = [0, POSIX_SPAWN_SETSID].map(posixSpawn);
    const all = [...children.map(({ pid }) => pid), ...spawned];
    // Orphans are looked for meanwhile.
    const pid = await stranger("sleep", "0.1");
    await until("the end of the orphan", () => !isThere(pid));
    await until(
      "their end",
      () => all.every((pid) => !isThere(pid) || isZombie(pid)),
    );
    const second = await stranger("sleep", "0.1");
    await until("the end of the second orphan", () => !isThere(second));
    assertEquals(
      spawned.map((pid) => waitId(pid)?.status),
      [7, 7],
    );
    for (const child of children) assertEquals((await child.status).code, 7);
  },
);

orphanTest(
  "what a worker of this program waits for is left to it",
  "sleep 1000",
  async ({ state }) => {
    const worker = new Worker(
      import.meta.resolve("./testdata/exec_worker.ts"),
      { type: "module" },
    );
    const { promise, resolve, reject } = Promise.withResolvers<number[]>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    const count = 20;
    worker.postMessage({ state, count });
    try {
      assertEquals(await promise, Array(count).fill(7));
    } finally {
      worker.terminate();
    }
  },
);

function isZombie(pid: number): boolean {
  return Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
}

const POSIX_SPAWN_SETSID = 0x80;

/** A child that only this test knows of: no pidfd holds it. */
function posixSpawn(flags: number): number {
  const libc = Deno.dlopen("libc.so.6", {
    posix_spawn: {
      parameters: [
        "buffer",
        "buffer",
        "pointer",
        "buffer",
        "buffer",
        "buffer",
      ],
      result: "i32",
    },
    posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
    posix_spawnattr_setflags: {
      parameters: ["buffer", "i16"],
      result: "i32",
    },
  });
  const text = (value: string) => new TextEncoder().encode(`${value}\0`);
  const words = ["sh", "-c", "exit 7"].map(text);
  const pointer = (bytes: Uint8Array<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  const list = BigUint64Array.from([...words.map(pointer), 0n]);
  const attributes = new Uint8Array(512);
  libc.symbols.posix_spawnattr_init(attributes);
  libc.symbols.posix_spawnattr_setflags(attributes, flags);
  const pid = new Int32Array(1);
  const result = libc.symbols.posix_spawn(
    pid,
    text("/bin/sh"),
    null,
    attributes,
    list,
    new BigUint64Array(1),
  );
  libc.close();
  assertEquals(result, 0);
  assertEquals(words.length, 3); // they are alive until here
  return pid[0]!;
}

rootTest(
  "a start that fails leaves alone what was let go before it, and is told while others go on",
  async () => {
    using bench = makeBench();
    const options = { state: bench.state, stderr: "null" } as const;
    const hook = (path: string, ...args: string[]) => ({
      hooks: { createRuntime: [{ path, args: [path, ...args] }] },
    });
    await using waiting = await create("a", await bench.spec("true"), options);
    waiting.keep();
    const stop = new AbortController();
    const hanging = assertRejects(
      async () =>
        await create(
          "b",
          await bench.spec("true", hook("/bin/sleep", "1000")),
          {
            ...options,
            signal: stop.signal,
          },
        ),
    );
    await assertRejects(
      async () =>
        await create(
          "c",
          await bench.spec("true", hook("/bin/false")),
          options,
        ),
      RuntimeError,
    );
    assertEquals(waiting.state(), "created");
    stop.abort();
    await hanging;
    assertEquals(waiting.state(), "created");
    await deleteContainer("a", { state: bench.state, force: true });
  },
  need("runc", "busybox"),
);
