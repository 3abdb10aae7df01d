/**
 * Making a driver of an OCI runtime.
 *
 * @module
 */

import { checkId } from "./_check_id.ts";
import { flavorOf, hasFlag } from "./_runtime_args.ts";
import { runtimeCalls } from "./_runtime_calls.ts";
import type {
  Runtime,
  RuntimeCheckpointOptions,
  RuntimeOptions,
} from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";

/**
 * Makes a driver of an OCI runtime: runc, or any other with the same command line.
 *
 * @param options Which program, and where it keeps its state.
 * @returns Its verbs. Each fails with {@linkcode RuntimeError}.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/runtime.md
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
  const { call, hand } = runtimeCalls(full);

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
