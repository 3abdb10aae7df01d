/**
 * The contract of OCI runtimes.
 *
 * @module
 */

import { create } from "./create.ts";
import { createSpec } from "./create_spec.ts";
import type { CreateSpecOptions } from "./create_spec_options.ts";
import { deleteContainer } from "./delete_container.ts";
import { exec } from "./exec.ts";
import { openContainer } from "./open_container.ts";
import { run } from "./run.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { RuntimeError, type RuntimeErrorCode } from "./runtime_error.ts";
import type { Spec } from "./spec.ts";

/** What a suite needs. */
export interface RuntimeSuiteOptions {
  /** The runtime that is tested; the root of its state is made for each test. */
  readonly runtime: RuntimeOptions;
  /** Makes a root filesystem with busybox in an empty folder, with a user `web` of 33:34 in group `logs` 50. */
  makeRootfs(folder: string): void | Promise<void>;
  /**
   * Registers a test.
   *
   * @default {Deno.test}
   */
  test?(name: string, fn: () => Promise<void>): void;
}

/** What one test gets: everything in a folder of its own. */
interface Bench {
  readonly folder: string;
  readonly options: {
    readonly state: string;
    readonly runtime: RuntimeOptions;
  };
  spec(script: string, options?: Partial<CreateSpecOptions>): Promise<Spec>;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}

async function refused(
  code: RuntimeErrorCode,
  fn: () => unknown,
): Promise<void> {
  try {
    await fn();
  } catch (error) {
    if (error instanceof RuntimeError) {
      equal(error.code, code, `code of "${error.message}"`);
      return;
    }
    throw error;
  }
  throw new Error(`expected a RuntimeError with code ${code}, found none`);
}

/** Waits for what another process does; the tests themselves depend on no time. */
async function until(what: string, fn: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    if (fn()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not come true within 10 seconds`);
}

async function write(
  stream: WritableStream<Uint8Array<ArrayBufferLike>>,
  text: string,
): Promise<void> {
  const writer = stream.getWriter();
  await writer.write(encoder.encode(text));
  writer.releaseLock();
}

/** Reads until the text is there. */
async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  text: string,
): Promise<string> {
  let seen = "";
  while (!seen.includes(text)) {
    const { value, done } = await reader.read();
    if (done) {
      throw new Error(`expected "${text}", found the end after "${seen}"`);
    }
    seen += decoder.decode(value, { stream: true });
  }
  return seen;
}

const CASES: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  async "create, start, wait and delete follow the lifecycle"(
    { options, spec, folder },
  ) {
    let bundle: string;
    {
      await using container = await create("a", await spec("exit 7"), options);
      equal(container.state(), "created", "state before the start");
      equal(container.pids().includes(container.pid), true, "pids");
      await container.start();
      const status = await container.status;
      equal([status.code, status.signal, status.success, status.oomKilled], [
        7,
        null,
        false,
        false,
      ], "status");
      equal(container.state(), "stopped", "state after the end");
      bundle = container.bundle;
      equal(
        [...Deno.readDirSync(`${folder}/state/containers`)].length,
        1,
        "bundles",
      );
    }
    equal(bundle, `${folder}/state/containers/a`, "bundle");
    equal(
      [...Deno.readDirSync(`${folder}/state/containers`)].length,
      0,
      "bundles",
    );
  },

  async "exit codes and signals are told exactly"({ options, spec }) {
    for (const code of [0, 255]) {
      await using container = await run(
        "a",
        await spec(`exit ${code}`),
        options,
      );
      equal((await container.status).code, code, "code");
    }
    {
      await using container = await run(
        "a",
        await spec(
          "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done",
        ),
        { ...options, stdout: "piped" },
      );
      const reader = container.stdout.getReader();
      await readUntil(reader, "ready");
      container.kill("USR1");
      equal((await container.status).code, 5, "code after USR1");
      await reader.cancel();
    }
    await using container = await run("a", await spec("sleep 1000"), options);
    container.kill("9");
    const status = await container.status;
    equal([status.code, status.signal], [137, "SIGKILL"], "status");
    await refused("NotRunning", () => container.kill());
  },

  async "nothing of the output is lost, however soon the end"(
    { options, spec },
  ) {
    const size = 3_000_000;
    await using container = await run(
      "a",
      await spec(`yes | head -c ${size}; echo -n oops >&2`),
      { ...options, stdout: "piped", stderr: "piped" },
    );
    const { stdout, stderr, code } = await container.output();
    equal(
      [stdout.length, decoder.decode(stderr), code],
      [size, "oops", 0],
      "output",
    );
  },

  async "the standard input arrives and ends"({ options, spec }) {
    await using container = await run("a", await spec("cat; echo end"), {
      ...options,
      stdin: "piped",
      stdout: "piped",
    });
    await write(container.stdin, "hello\n");
    await container.stdin.close();
    equal(
      decoder.decode((await container.output()).stdout),
      "hello\nend\n",
      "output",
    );
  },

  async "null, files and FIFOs stand for the standard streams"(
    { options, spec, folder },
  ) {
    const input = `${folder}/in`;
    const output = `${folder}/out`;
    await Deno.writeTextFile(input, "from a file");
    await Deno.writeTextFile(output, "before ");
    {
      await using container = await run("a", await spec("cat; echo lost >&2"), {
        ...options,
        stdin: { type: "file", path: input },
        stdout: { type: "file", path: output },
        stderr: "null",
      });
      equal((await container.status).code, 0, "code");
    }
    equal(await Deno.readTextFile(output), "before from a file", "file");
    const fifo = `${folder}/fifo`;
    await using container = await run(
      "a",
      await spec("echo through; sleep 1000"),
      {
        ...options,
        stdout: { type: "fifo", path: fifo },
      },
    );
    using reader = await Deno.open(fifo);
    const bytes = new Uint8Array(100);
    const count = await reader.read(bytes);
    equal(decoder.decode(bytes.subarray(0, count!)), "through\n", "FIFO");
    equal(container.state(), "running", "state");
  },

  async "a terminal has a size, echoes and ends"({ options, spec }) {
    await using container = await run(
      "a",
      await spec("stty size; tty; read line; stty size; echo bye", {
        terminal: { height: 50, width: 132 },
      }),
      options,
    );
    const reader = container.stdout.getReader();
    await readUntil(reader, "50 132\r\n/dev/pts/0\r\n");
    container.resize({ height: 24, width: 80 });
    await write(container.stdin, "go\n");
    await readUntil(reader, "24 80\r\nbye\r\n");
    equal((await reader.read()).done, true, "end of the terminal");
    equal((await container.status).code, 0, "code");
  },

  async "the owner of /dev/null stays"({ options, spec }) {
    const owner = () => {
      const { uid, gid } = Deno.statSync("/dev/null");
      return `${uid}:${gid}`;
    };
    const before = owner();
    const stdio = { stdin: "null", stdout: "null", stderr: "null" } as const;
    const web = await spec("sleep 1000", { user: "web" });
    await using container = await run("a", web, { ...options, ...stdio });
    {
      const more = { ...stdio, user: "33:34" };
      await using process = await container.exec(["true"], more);
      await process.status;
    }
    equal(owner(), before, "owner");
  },

  async "further processes have their own streams, user, environment and code"(
    { options, spec },
  ) {
    await using container = await run(
      "a",
      await spec("sleep 1000", { env: { A: "1", B: "2", TERM: "vt220" } }),
      options,
    );
    {
      await using process = await container.exec(
        ["sh", "-c", "id -u; id -g; id -G; echo $A$B$C; pwd; cat; exit 3"],
        {
          stdin: "piped",
          stdout: "piped",
          stderr: "null",
          user: "web",
          env: { B: null, C: "3" },
          cwd: "/tmp",
        },
      );
      await write(process.stdin, "in\n");
      await process.stdin.close();
      const { stdout, code } = await process.output();
      equal([decoder.decode(stdout), code], [
        "33\n34\n34 50\n13\n/tmp\nin\n",
        3,
      ], "exec");
    }
    {
      await using process = await exec({ id: "a" }, [
        "sh",
        "-c",
        // crun's exec does not heed the size: it comes while the program runs.
        "echo $TERM; until stty size 2>/dev/null; do sleep 0.01; done; read x",
      ], {
        state: options.state,
        terminal: { height: 11, width: 22 },
      });
      const reader = process.stdout.getReader();
      const seen = await readUntil(reader, "11 22");
      equal(seen.includes("vt220"), true, "kind of terminal");
      process.kill("KILL");
      equal((await process.status).signal, "SIGKILL", "signal");
      await reader.cancel();
    }
    {
      await using process = await container.exec(["true"], { stdout: "null" });
      process.keep();
    }
    await refused("CommandNotFound", () => container.exec(["no-such-program"]));
    await refused("CommandNotFound", () => container.exec(["/tmp"]));
    equal([...Deno.readDirSync(`${container.bundle}/exec`)].length, 0, "execs");
  },

  async "the end of further processes is told before that of the first"(
    { options, spec },
  ) {
    await using container = await run("a", await spec("sleep 1000"), options);
    const order: string[] = [];
    const processes = await Promise.all(
      [1, 2, 3].map(() => container.exec(["sleep", "1000"])),
    );
    const all = processes.map((process) =>
      process.status.then(({ signal }) => order.push(`exec ${signal}`))
    );
    container.kill("KILL");
    await container.status;
    order.push("init");
    await Promise.all(all);
    equal(order, [
      "exec SIGKILL",
      "exec SIGKILL",
      "exec SIGKILL",
      "init",
    ], "order");
    for (const process of processes) await process[Symbol.asyncDispose]();
    await refused("NotRunning", () => container.exec(["true"]));
  },

  async "pausing stops every process until resumed"({ options, spec }) {
    await using container = await run("a", await spec("sleep 1000"), options);
    await container.pause();
    equal(container.state(), "paused", "state");
    await refused("Paused", () => container.pause());
    await refused("Paused", () => container.exec(["true"]));
    await container.resume();
    equal(container.state(), "running", "state");
    await refused("NotPaused", () => container.resume());
    await container.pause();
    container.kill("KILL");
    equal((await container.status).signal, "SIGKILL", "end while paused");
  },

  async "pausing one that is not started holds it until resumed"(
    { options, spec },
  ) {
    await using container = await create(
      "a",
      await spec("sleep 1000"),
      options,
    );
    await container.pause();
    equal(container.state(), "paused", "state");
    await refused("Paused", () => container.start());
    await container.resume();
    equal(container.state(), "created", "state");
    await container.start();
    equal(container.state(), "running", "state");
  },

  async "a kept container is found again, waited for and deleted"(
    { options, spec },
  ) {
    {
      await using container = await run(
        "a",
        await spec("sleep 1000"),
        options,
      );
      container.keep();
    }
    await using container = openContainer("a", options);
    equal(container.state(), "running", "state");
    await refused("NotStopped", () => deleteContainer("a", options));
    container.kill("KILL");
    equal((await container.status).code, 137, "code");
    await deleteContainer("a", options);
    await refused("NotFound", () => openContainer("a", options));
    await refused("NotFound", () => deleteContainer("a", options));
    await deleteContainer("a", { ...options, force: true });
  },

  async "what cannot be is refused, and leaves nothing"(
    { options, spec, folder },
  ) {
    await refused(
      "CommandNotFound",
      async () =>
        await run("a", await spec("", { args: ["/no/such"] }), {
          ...options,
          stderr: "null",
        }),
    );
    const bad = await spec("true");
    await Deno.writeTextFile(`${folder}/file`, "");
    await refused(
      "BadBundle",
      () =>
        run("a", { ...bad, root: { path: `${folder}/file` } }, {
          ...options,
          stderr: "null",
        }),
    );
    await refused(
      "BadBundle",
      () =>
        run("a", { ...bad, root: { path: `${folder}/missing` } }, {
          ...options,
          stderr: "null",
        }),
    );
    equal(
      [...Deno.readDirSync(`${folder}/state/containers`)].length,
      0,
      "bundles",
    );
    await using container = await run("a", await spec("sleep 1000"), options);
    await refused(
      "AlreadyExists",
      async () => run("a", await spec("true"), options),
    );
    await refused("AlreadyRunning", () => container.start());
    equal(container.state(), "running", "state");
  },

  async "two callers that create the same id: one has it"({ options, spec }) {
    const both = await Promise.allSettled(
      [1, 2].map(async () => run("a", await spec("sleep 1000"), options)),
    );
    equal(
      both.map(({ status }) => status).sort(),
      ["fulfilled", "rejected"],
      "outcomes",
    );
    for (const result of both) {
      if (result.status === "fulfilled") {
        equal(result.value.state(), "running", "state");
        await result.value[Symbol.asyncDispose]();
      }
    }
  },

  async "an end before anybody waits is recorded"({ options, spec }) {
    for (let round = 0; round < 3; round++) {
      const container = await run("a", await spec("exit 4"), options);
      await until("the end", () => container.state() === "stopped");
      equal((await container.status).code, 4, "code");
      await container[Symbol.asyncDispose]();
    }
  },

  async "an aborted create leaves nothing"({ options, spec, folder }) {
    const container = await spec("true");
    await Deno.mkdir(`${folder}/state/containers`, { recursive: true });
    for (const delay of [0, 2, 5, 10, 20, 30]) {
      const signal = AbortSignal.timeout(delay);
      try {
        await using _ = await create("a", container, {
          ...options,
          signal,
          stderr: "null",
        });
      } catch (error) {
        equal(
          error instanceof DOMException && error.name,
          "TimeoutError",
          "error",
        );
      }
      equal(
        [...Deno.readDirSync(`${folder}/state/containers`)].length,
        0,
        "bundles",
      );
      await Deno.mkdir(`${folder}/state/runtime`, { recursive: true });
      equal(
        [...Deno.readDirSync(`${folder}/state/runtime`)].length,
        0,
        "containers of the runtime",
      );
    }
  },

  async "deleting during an exec ends both"({ options, spec }) {
    const container = await run("a", await spec("sleep 1000"), options);
    const starting = container.exec(["sleep", "1000"], { stderr: "null" });
    starting.catch(() => {});
    await container[Symbol.asyncDispose]();
    try {
      const process = await starting;
      equal((await process.status).code !== 0, true, "end of the exec");
      await process[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  },
};

/**
 * Registers the tests that every runtime must pass: lifecycle, exit codes,
 * streams, terminals, further processes, pausing, finding again, refusals and
 * races. They need root.
 *
 * @param name Name of the runtime, for the names of the tests.
 * @param options The runtime and what it runs.
 *
 * @example Usage
 * ```ts ignore
 * import { runtimeSuite } from "@containerkit/execution/testing";
 *
 * runtimeSuite("runc", {
 *   runtime: { command: "runc" },
 *   makeRootfs: (folder) => unpackBusybox(folder),
 * });
 * ```
 */
export function runtimeSuite(name: string, options: RuntimeSuiteOptions): void {
  const { test = (name, fn) => void Deno.test(name, fn) } = options;
  for (const [rule, fn] of Object.entries(CASES)) {
    test(`${name}: ${rule}`, async () => {
      const folder = await Deno.makeTempDir({ prefix: "containerkit-" });
      try {
        const rootfs = `${folder}/rootfs`;
        await Deno.mkdir(rootfs);
        await options.makeRootfs(rootfs);
        await fn({
          folder,
          options: {
            state: `${folder}/state`,
            runtime: options.runtime,
          },
          spec: (script, more = {}) =>
            createSpec({}, {
              rootfs,
              args: ["sh", "-c", script],
              seccomp: "unconfined",
              ...more,
            }),
        });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
}
