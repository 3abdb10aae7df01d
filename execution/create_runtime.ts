/**
 * Making a driver of an OCI runtime.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { classify, lastError } from "./_classify.ts";
import { checkId } from "./_check_id.ts";
import { trace } from "./_trace.ts";
import type {
  Runtime,
  RuntimeCallOptions,
  RuntimeCheckpointOptions,
  RuntimeCreateOptions,
  RuntimeFlavor,
  RuntimeOptions,
} from "./runtime.ts";
import { copyFolder, removeFolder } from "./_runtime_copies.ts";
import { RuntimeError } from "./runtime_error.ts";
import { runtimeEnv, spawnWith } from "./_spawn.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function flavorOf(command: string): RuntimeFlavor {
  const name = command.slice(command.lastIndexOf("/") + 1);
  return (["crun", "youki", "runsc"] as const).find((flavor) =>
    name.includes(flavor)
  ) ?? "runc";
}

/** Arguments before the verb; `log` is a file, else errors go to the standard error. */
function globalArgs(options: Required<RuntimeOptions>, log?: string): string[] {
  const { root, flavor, systemdCgroup, args } = options;
  if (flavor === "runsc") {
    return [
      `-root=${root}`,
      "-log-format=json",
      ...log === undefined ? [] : [`-log=${log}`],
      ...systemdCgroup ? ["-systemd-cgroup"] : [],
      ...args,
    ];
  }
  return [
    "--root",
    root,
    "--log-format",
    "json",
    ...log === undefined ? [] : ["--log", log],
    ...systemdCgroup ? ["--systemd-cgroup"] : [],
    ...args,
  ];
}

/** A flag and its value where there is one: runsc takes `-flag=value` as Go's own parser does. */
function valueFlags(
  flavor: RuntimeFlavor,
  flags: Readonly<Record<string, string | boolean | undefined>>,
): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (flavor === "runsc") {
      return [value === true ? `-${name}` : `-${name}=${value}`];
    }
    return value === true ? [`--${name}`] : [`--${name}`, value];
  });
}

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
    await writer.write(encoder.encode(options.input));
    await writer.close();
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

  /** Starts a verb that hands descriptors over: its words are in the log. */
  async function hand(
    action: string,
    id: string,
    verb: readonly string[],
    options: RuntimeCreateOptions,
  ): Promise<void> {
    checkId(id);
    options.signal?.throwIfAborted();
    const line = [...globalArgs(full, options.logFile), ...verb];
    const extra = options.stdio.length - 3;
    if (extra > 0) {
      line.splice(line.length - 1, 0, "--preserve-fds", `${extra}`);
    }
    let ended;
    try {
      ended = await trace(
        "runtime",
        () => ({ command, args: line }),
        () =>
          spawnWith(command, line, {
            ...options,
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
      detail,
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
    verb: readonly string[],
    options: RuntimeCallOptions & { input?: string } = {},
  ): Promise<string> {
    options.signal?.throwIfAborted();
    const line = [...globalArgs(full), ...verb];
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
      detail,
    });
  }

  const about = (verb: string, id: string) => {
    checkId(id);
    return `${verb} container "${id}"`;
  };
  const createFlags = (options: RuntimeCreateOptions) =>
    valueFlags(flavor, {
      "pid-file": options.pidFile,
      "console-socket": options.consoleSocket,
      "no-pivot": options.noPivot,
      "no-new-keyring": options.noNewKeyring,
    });
  const checkpointFlags = (options: RuntimeCheckpointOptions) =>
    valueFlags(flavor, {
      "work-path": options.workPath,
      "tcp-established": options.tcpEstablished,
      "ext-unix-sk": options.externalUnix,
      "shell-job": options.shellJob,
      "file-locks": options.fileLocks,
    });

  return {
    options: full,
    create: (id, bundle, options) =>
      hand(about("create", id), id, [
        "create",
        ...valueFlags(flavor, { bundle }),
        ...createFlags(options),
        id,
      ], options),
    start: async (id, options) => {
      await call(about("start", id), ["start", id], options);
    },
    exec: (id, options) =>
      hand(`run a process in container "${id}"`, id, [
        "exec",
        "--detach",
        ...valueFlags(flavor, {
          process: options.process,
          "pid-file": options.pidFile,
          "console-socket": options.consoleSocket,
          "ignore-paused": options.ignorePaused,
        }),
        id,
      ], options),
    state: async (id, options) =>
      JSON.parse(await call(about("inspect", id), ["state", id], options)),
    list: async (options) =>
      JSON.parse(
        await call("list the containers", [
          "list",
          ...valueFlags(flavor, { format: "json" }),
        ], options),
      ) ?? [],
    ps: async (id, options) =>
      JSON.parse(
        await call(about("list the processes of", id), [
          "ps",
          ...valueFlags(flavor, { format: "json" }),
          id,
        ], options),
      ),
    kill: async (id, signal, options = {}) => {
      const all = options.all ?? false;
      await call(about("signal", id), [
        "kill",
        ...valueFlags(flavor, { all }),
        id,
        // Without the prefix every runtime takes it.
        signal.replace(/^SIG/, ""),
      ], options);
    },
    delete: async (id, options = {}) => {
      const { force } = options;
      await call(about("delete", id), [
        "delete",
        ...valueFlags(flavor, { force }),
        id,
      ], options);
    },
    pause: async (id, options) => {
      await call(about("pause", id), ["pause", id], options);
    },
    resume: async (id, options) => {
      await call(about("resume", id), ["resume", id], options);
    },
    update: async (id, resources, options) => {
      await call(about("update", id), [
        "update",
        ...valueFlags(flavor, { resources: "-" }),
        id,
      ], { ...options, input: JSON.stringify(resources) });
    },
    checkpoint: async (id, imagePath, options = {}) => {
      await call(about("checkpoint", id), [
        "checkpoint",
        ...valueFlags(flavor, {
          "image-path": imagePath,
          "leave-running": options.leaveRunning,
          "parent-path": options.parentPath,
          "pre-dump": options.preDump,
        }),
        ...checkpointFlags(options),
        id,
      ], options);
    },
    restore: (id, bundle, options) =>
      hand(about("restore", id), id, [
        "restore",
        "--detach",
        ...valueFlags(flavor, { bundle, "image-path": options.imagePath }),
        ...checkpointFlags(options),
        ...createFlags(options),
        id,
      ], options),
    async features(options) {
      try {
        return JSON.parse(
          await call("ask for the features", ["features"], options),
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
      (await call("ask for the version", ["--version"], options)).split("\n")[
        0
      ]!.trim(),
  };
}
