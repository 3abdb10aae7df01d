/**
 * Making a driver of an OCI runtime.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { classify, lastError } from "./_classify.ts";
import { checkId } from "./_check_id.ts";
import { explainCriu } from "./_explain_criu.ts";
import {
  flavorOf,
  hasFlag,
  missingOfRuntime,
  runtimeArgs,
  type Verb,
} from "./_runtime_args.ts";
import { trace } from "./_trace.ts";
import { openGuardedNull } from "./_guarded_null.ts";
import type {
  Runtime,
  RuntimeCallOptions,
  RuntimeCheckpointOptions,
  RuntimeCreateOptions,
  RuntimeOptions,
} from "./runtime.ts";
import { copyFolder, removeFolder } from "./_runtime_copies.ts";
import { RuntimeError } from "./runtime_error.ts";
import { runtimeEnv, spawnWith } from "./_spawn.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

async function readTail(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}

async function runPiped(
  command: string,
  args: string[],
  options: RuntimeCallOptions & {
    input?: string;
    env?: Record<string, string>;
  },
): Promise<Deno.CommandOutput> {
  const child = new Deno.Command(command, {
    args,
    env: { ...runtimeEnv(), ...options.env },
    clearEnv: true,
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...options.signal === undefined ? {} : { signal: options.signal },
  }).spawn();
  const output = child.output();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    // One that ends without reading says why by itself.
    await writer.write(encoder.encode(options.input)).catch(() => {});
    await writer.close().catch(() => {});
  }
  return await output;
}

/** Runs it so that nothing is left when it is killed. */
async function runKillable(
  command: string,
  args: string[],
  options: RuntimeCallOptions & { input?: string },
): Promise<Deno.CommandOutput> {
  if (options.signal === undefined) {
    return await runPiped(command, args, options);
  }
  const folder = Deno.makeTempDirSync({ prefix: "containerkit-" });
  try {
    return await runPiped(command, args, {
      ...options,
      env: copyFolder(folder),
    });
  } finally {
    await removeFolder(folder);
  }
}

/**
 * Makes a driver of an OCI runtime: runc, or any other with the same command line.
 *
 * @param options Which program, and where it keeps its state.
 * @returns Its verbs. Each fails with {@linkcode RuntimeError}.
 *
 * @example Usage
 * ```ts ignore
 * import { createRuntime } from "@containerkit/execution";
 *
 * const crun = createRuntime({ command: "crun", root: "/run/my-containers" });
 * console.log(await crun.list());
 * ```
 */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  const {
    command = "runc",
    root = "/run/containerkit/runtime",
    systemdCgroup = false,
    args = [],
    native = true,
  } = options;
  const { flavor = flavorOf(command) } = options;
  const full = { command, root, systemdCgroup, args, flavor, native };

  /** The arguments of a verb, if the runtime has it. */
  function argsOf(action: string, verb: Verb, log?: string): string[] {
    const args = runtimeArgs(full, verb, log);
    const missing = missingOfRuntime(flavor, verb);
    if (missing === undefined) return args;
    throw new RuntimeError(action, {
      code: "NotSupported",
      runtime: command,
      args,
      exitCode: null,
      detail: missing,
    });
  }

  /** Starts a verb that hands descriptors over: its words are in the log. */
  async function hand(
    action: string,
    id: string,
    { name, flags }: Verb,
    options: RuntimeCreateOptions,
  ): Promise<void> {
    checkId(id);
    options.signal?.throwIfAborted();
    const extra = options.stdio.length - 3;
    const line = argsOf(action, {
      name,
      flags: {
        ...flags,
        "pid-file": options.pidFile,
        "console-socket": options.consoleSocket,
        "no-pivot": options.noPivot,
        "no-new-keyring": options.noNewKeyring,
        "preserve-fds": extra > 0 && `${extra}`,
      },
      words: [id],
    }, options.logFile);
    using guarded = flavor === "runc" ? undefined : await openGuardedNull();
    const stdio = options.stdio.map((fd) =>
      fd === "ignore" ? guarded?.number ?? fd : fd
    );
    let ended;
    try {
      ended = await trace(
        "runtime",
        () => ({ command, args: line }),
        () =>
          spawnWith(command, line, {
            ...options,
            stdio,
            env: copyFolder(dirname(options.logFile)),
          }),
      );
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw notStarted(action, line, cause);
    }
    if (ended.code === 0) return;
    options.signal?.throwIfAborted();
    const detail = lastError(await readTail(options.logFile)) ||
      describeEnd(ended.code, ended.signal);
    throw new RuntimeError(action, {
      runtime: command,
      args: line,
      code: ended.code === null ? "Interrupted" : classify(detail),
      exitCode: ended.code,
      detail: await explainCriu(detail),
    });
  }

  function describeEnd(code: number | null, signal: string | null): string {
    return code === null
      ? `${command} was killed by ${signal}`
      : `${command} ended with code ${code}`;
  }

  function notStarted(
    action: string,
    line: readonly string[],
    cause: unknown,
  ): RuntimeError {
    const missing = (cause as { code?: string }).code === "ENOENT" ||
      cause instanceof Deno.errors.NotFound;
    return new RuntimeError(action, {
      code: missing ? "NotSupported" : "Failed",
      runtime: command,
      args: line,
      exitCode: null,
      detail: missing
        ? `the runtime "${command}" is not installed`
        : `the runtime "${command}" does not start`,
    }, { cause });
  }

  /** Runs a verb whose output is ours. */
  async function call(
    action: string,
    verb: Verb,
    options: RuntimeCallOptions & { input?: string } = {},
  ): Promise<string> {
    options.signal?.throwIfAborted();
    const line = argsOf(action, verb);
    let output;
    try {
      output = await trace(
        "runtime",
        () => ({ command, args: line }),
        () => runKillable(command, line, options),
      );
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw notStarted(action, line, cause);
    }
    options.signal?.throwIfAborted();
    if (output.success) return decoder.decode(output.stdout);
    const detail = lastError(decoder.decode(output.stderr)) ||
      describeEnd(output.signal === null ? output.code : null, output.signal);
    throw new RuntimeError(action, {
      runtime: command,
      args: line,
      code: output.signal === null ? classify(detail) : "Interrupted",
      exitCode: output.signal === null ? output.code : null,
      detail: await explainCriu(detail),
    });
  }

  const about = (verb: string, id: string) => {
    checkId(id);
    return `${verb} container "${id}"`;
  };
  const criuFlags = (imagePath: string, options: RuntimeCheckpointOptions) => ({
    "image-path": imagePath,
    // Where criu's log is found when it fails.
    "work-path": options.workPath ??
      (hasFlag(flavor, "work-path") && imagePath),
    "tcp-established": options.tcpEstablished,
    "ext-unix-sk": options.externalUnix,
    "shell-job": options.shellJob,
    "file-locks": options.fileLocks,
  });

  return {
    options: full,
    create: (id, bundle, options) =>
      hand(about("create", id), id, {
        name: "create",
        flags: { bundle },
      }, options),
    start: async (id, options) => {
      await call(about("start", id), { name: "start", words: [id] }, options);
    },
    exec: (id, options) =>
      hand(`run a process in container "${id}"`, id, {
        name: "exec",
        flags: {
          detach: true,
          process: options.process,
          "ignore-paused": options.ignorePaused,
        },
      }, options),
    state: async (id, options) =>
      JSON.parse(
        await call(
          about("inspect", id),
          { name: "state", words: [id] },
          options,
        ),
      ),
    list: async (options) =>
      JSON.parse(
        await call("list the containers", {
          name: "list",
          flags: { format: "json" },
        }, options),
      ) ?? [],
    ps: async (id, options) =>
      JSON.parse(
        await call(about("list the processes of", id), {
          name: "ps",
          flags: { format: "json" },
          words: [id],
        }, options),
      ),
    kill: async (id, signal, options = {}) => {
      await call(about("signal", id), {
        name: "kill",
        flags: { all: options.all },
        // Without the prefix every runtime takes it.
        words: [id, signal.replace(/^SIG/, "")],
      }, options);
    },
    delete: async (id, options = {}) => {
      await call(about("delete", id), {
        name: "delete",
        flags: { force: options.force },
        words: [id],
      }, options);
    },
    pause: async (id, options) => {
      await call(about("pause", id), { name: "pause", words: [id] }, options);
    },
    resume: async (id, options) => {
      await call(about("resume", id), { name: "resume", words: [id] }, options);
    },
    update: async (id, resources, options) => {
      await call(about("update", id), {
        name: "update",
        flags: { resources: "-" },
        words: [id],
      }, { ...options, input: JSON.stringify(resources) });
    },
    checkpoint: async (id, imagePath, options = {}) => {
      await call(about("checkpoint", id), {
        name: "checkpoint",
        flags: {
          ...criuFlags(imagePath, options),
          "leave-running": options.leaveRunning,
          "parent-path": options.parentPath,
          "pre-dump": options.preDump,
        },
        words: [id],
      }, options);
    },
    restore: (id, bundle, options) =>
      hand(about("restore", id), id, {
        name: "restore",
        flags: {
          detach: true,
          bundle,
          ...criuFlags(options.imagePath, options),
        },
      }, options),
    async features(options) {
      try {
        return JSON.parse(
          await call("ask for the features", { name: "features" }, options),
        );
      } catch (error) {
        // The verb is younger than the runtimes that lack it.
        if (error instanceof RuntimeError && error.exitCode !== null) {
          return undefined;
        }
        throw error;
      }
    },
    version: async (options) =>
      (await call("ask for the version", { name: "--version" }, options))
        .split("\n")[0]!.trim(),
  };
}
