/**
 * Making containers.
 *
 * @module
 */

import { resolve } from "@std/path/posix/resolve";
import { bundleOf, readRecord, STATE } from "./_bundle.ts";
import { ContainerImpl } from "./_container.ts";
import type { Container, ContainerOptions } from "./container.ts";
import { createContainer } from "./_create_container.ts";
import { createRuntime } from "./create_runtime.ts";
import { deleteContainer } from "./delete_container.ts";
import type { LogOptions } from "./log_options.ts";
import { askMonitor, attachMonitor } from "./_monitor_client.ts";
import type { ConmonOptions, MonitorOptions } from "./monitor_options.ts";
import { holdProcess } from "./_process.ts";
import type { Spec } from "./spec.ts";
import { NO_STREAMS } from "./_stdio.ts";
import type { StdioOptions } from "./stdio_options.ts";
import { validateSpec } from "./validate_spec.ts";

/** Options of {@linkcode create} and {@linkcode run}. */
export interface CreateOptions extends ContainerOptions, StdioOptions {
  /**
   * Keeps the output in a file too; only `"piped"` and `"null"` are then
   * possible for it, by default `"null"`. Without a monitor that ends with this
   * program, or with `keep()`: of what comes later 64 KiB are taken, then the
   * container waits.
   */
  readonly log?: LogOptions;
  /**
   * Lets the monitor of the folder hold the container's terminal, input and
   * output: they outlive this program, and its exit code is always known. Of
   * the streams only `"piped"` and `"null"` are possible, by default `"null"`,
   * and `preserve` is not. conmon gives up the streams for a process that is far
   * smaller: what is written goes to the log, as CRI has it.
   *
   * @default {false}
   */
  readonly monitor?: boolean | MonitorOptions | ConmonOptions;
  /** Uses chroot(2) instead of pivot_root(2), for a root filesystem in the initial ramdisk. */
  readonly noPivot?: boolean;
  /** Leaves the session keyring. */
  readonly noNewKeyring?: boolean;
  /** Stops the making; nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** Options without the choice of a monitor. */
type PlainOptions = Omit<CreateOptions, "monitor">;

/** A program by its path rather than its name is where this program says. */
const resolveCommand = (command: string) =>
  command.includes("/") ? resolve(command) : command;

/** Who finds the container later has another working directory, and so has a monitor. */
function resolvePaths(options: CreateOptions): CreateOptions {
  const { state = STATE, runtime, log } = options;
  return {
    ...options,
    state: resolve(state),
    ...runtime === undefined ? {} : {
      runtime: {
        ...runtime,
        ...runtime.root === undefined ? {} : { root: resolve(runtime.root) },
        ...runtime.command === undefined
          ? {}
          : { command: resolveCommand(runtime.command) },
      },
    },
    ...log?.path === undefined
      ? {}
      : { log: { ...log, path: resolve(log.path) } },
  };
}

/** Refuses what would be passed over where somebody takes the streams of a process. */
function checkTaken(
  id: string,
  options: StdioOptions,
  { by, names }: {
    readonly by: string;
    readonly names: readonly ("stdin" | "stdout" | "stderr")[];
  },
): void {
  for (const name of names) {
    if (["null", "piped", undefined].includes(options[name] as string)) {
      continue;
    }
    throw new TypeError(
      `Cannot create container "${id}": with a ${by} '${name}' is "piped" or "null"`,
    );
  }
}

/** Makes a container as the child of conmon. */
function createByConmon(
  id: string,
  spec: Spec,
  { conmon, ...options }: PlainOptions & { readonly conmon: ConmonOptions },
): Promise<Container> {
  for (const name of ["stdin", "stdout", "stderr"] as const) {
    if ((options[name] ?? "null") === "null") continue;
    throw new TypeError(
      `Cannot create container "${id}": with conmon '${name}' is "null", and the output is in the log`,
    );
  }
  const { path, format = "cri", ...others } = options.log ?? {};
  if (format !== "cri" || Object.keys(others).length > 0) {
    throw new TypeError(
      `Cannot create container "${id}": conmon writes its log as "cri" and in one file`,
    );
  }
  return createContainer(id, spec, {
    ...options,
    log: { format, ...path === undefined ? {} : { path } },
    conmon: conmon.command ?? "conmon",
  });
}

/** Makes a container as the child of the monitor and connects to its streams. */
async function createMonitored(
  id: string,
  spec: Spec,
  { monitor, ...options }: PlainOptions & { readonly monitor: MonitorOptions },
): Promise<Container> {
  const { state = STATE, stdin = "null" } = options;
  checkTaken(id, options, {
    by: "monitor",
    names: ["stdin", "stdout", "stderr"],
  });
  const bundle = bundleOf(state, id);
  const runtime = createRuntime({
    root: `${state}/runtime`,
    ...options.runtime,
  });
  await askMonitor(
    state,
    {
      op: "create",
      id,
      spec,
      runtime: runtime.options,
      stdin: stdin === "piped",
      ...options.log === undefined ? {} : { log: options.log },
      ...options.noPivot === undefined ? {} : { noPivot: options.noPivot },
      ...options.noNewKeyring === undefined
        ? {}
        : { noNewKeyring: options.noNewKeyring },
    },
    monitor,
    options.signal,
  );
  await using undo = new AsyncDisposableStack();
  undo.defer(() => deleteContainer(id, { state, force: true }));
  options.signal?.throwIfAborted();
  const record = readRecord(bundle)!;
  const outputs = (["stdout", "stderr"] as const).filter((name) =>
    options[name] === "piped"
  );
  const streams = stdin === "piped" || outputs.length > 0
    ? await attachMonitor(state, id, {
      stdin: stdin === "piped",
      outputs,
      terminal: record.terminal,
    }, monitor)
    : NO_STREAMS;
  const container = new ContainerImpl({
    containerId: id,
    files: bundle,
    record,
    pidfd: holdProcess(record),
    streams,
    cgroups: record.cgroups,
  });
  undo.move();
  return container;
}

/**
 * Makes a container whose program waits for {@linkcode Container.start}.
 *
 * This program becomes the subreaper of what it starts, see prctl(2): it is
 * told how the container ends, without a process of its own per container.
 *
 * @param id Its id: letters, digits, `_`, `+`, `-` and `.`, at most 76.
 * @param spec Its configuration, as {@linkcode createSpec} makes it.
 * @param options Where it is kept, what runs it, its standard input and output.
 * @returns The container.
 * @throws {TypeError} If the id is not fine, or a compiled program does not say what its monitor is.
 * @throws {SpecError} If the configuration breaks a rule.
 * @throws {RuntimeError} If the id is taken, or the runtime refuses.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#lifecycle
 *
 * @example Usage
 * ```ts ignore
 * import { create, createSpec } from "@containerkit/execution";
 *
 * const spec = await createSpec({ Cmd: ["true"] }, { rootfs: "/rootfs" });
 * await using container = await create("web", spec);
 * await container.start();
 * console.log((await container.status).code);
 * ```
 */
export async function create(
  id: string,
  spec: Spec,
  options: CreateOptions = {},
): Promise<Container> {
  validateSpec(spec);
  options.signal?.throwIfAborted();
  const { monitor = false, ...plain } = resolvePaths(options);
  if (monitor === false) {
    if (plain.log !== undefined) {
      checkTaken(id, plain, { by: "log", names: ["stdout", "stderr"] });
    }
    return await createContainer(id, spec, plain);
  }
  if (plain.preserve !== undefined && plain.preserve.length > 0) {
    throw new TypeError(
      `Cannot create container "${id}": with a monitor it gets no further descriptors by 'preserve'`,
    );
  }
  if (monitor === true) {
    return await createMonitored(id, spec, { ...plain, monitor: {} });
  }
  return await ("type" in monitor
    ? createByConmon(id, spec, { ...plain, conmon: monitor })
    : createMonitored(id, spec, { ...plain, monitor }));
}
