import { allCapabilities } from "./_all_capabilities.ts";
import {
  type Bundle,
  type ContainerRecord,
  execFiles,
  type ProcessFiles,
  type ProcessRecord,
  readSpec,
  writeJson,
} from "./_bundle.ts";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { containerStatus } from "./_container_status.ts";
import { emitEvent } from "./_events.ts";
import type { ContainerProcess, ContainerStatus } from "./container_process.ts";
import { createRuntime } from "./create_runtime.ts";
import type { ExecOptions } from "./exec_options.ts";
import { isThere } from "./_is_there.ts";
import { mergeEnv } from "./_merge_env.ts";
import { Process, type ProcessParts } from "./_process.ts";
import { processStat } from "./_process_stat.ts";
import { resolveUser } from "./resolve_user.ts";
import { endRuntimes, removeCopies, removeFolder } from "./_runtime_copies.ts";
import { RuntimeError } from "./runtime_error.ts";
import { endLaunched, launch } from "./_launch.ts";
import { withSweep } from "./_sweep.ts";
import { stdioOwner } from "./_stdio_owner.ts";
import type { Spec, SpecProcess } from "./spec.ts";
import { specJson } from "./_spec_json.ts";
import { validateSpec } from "./validate_spec.ts";

/** A further process of a container. */
class ExecProcess extends Process {
  readonly #state: string;

  constructor(parts: ProcessParts, state: string) {
    super(parts);
    this.#state = state;
  }

  protected override onStatus(status: ContainerStatus): void {
    emitEvent(this.#state, {
      type: "exec-exit",
      id: this.containerId,
      pid: this.pid,
      status,
    });
  }

  protected override beforeStatus(): Promise<void> {
    return Promise.resolve();
  }

  /** Of one that was kept too: nobody finds it by its folder. */
  protected override async remove(): Promise<void> {
    await removeFolder(this.files.path);
  }
}

/** Removes what a failed or killed start left. */
async function removeLeft(
  { runtime, id, pid }: ContainerRecord,
  files: ProcessFiles,
): Promise<void> {
  const own = `${runtime.root}/${id}`;
  // The first process is a runtime until the container is started.
  await endRuntimes([files.path, own], { except: pid });
  await removeCopies(own);
  await removeFolder(files.path);
}

async function specProcess(
  { process, root }: Spec,
  args: readonly string[],
  options: ExecOptions & { readonly bundle: Bundle },
): Promise<SpecProcess> {
  if (process === undefined || root === undefined) {
    throw new TypeError(
      "Cannot run a further process: the container's spec names none",
    );
  }
  const { consoleSize: _, ...inherited } = process;
  const terminal = options.terminal ?? false;
  const rootfs = root.path.startsWith("/")
    ? root.path
    : `${options.bundle.path}/${root.path}`;
  const all = options.privileged ? allCapabilities() : [];
  return {
    ...inherited,
    terminal: terminal !== false,
    ...typeof terminal === "object" ? { consoleSize: { ...terminal } } : {},
    args: [...args],
    env: mergeEnv([
      ...terminal ? ["TERM=xterm"] : [],
      ...process.env ?? [],
    ], options.env ?? {}),
    cwd: options.cwd ?? process.cwd,
    ...options.user === undefined && options.groups === undefined ? {} : {
      user: await resolveUser(
        rootfs,
        options.user ?? `${process.user.uid}:${process.user.gid}`,
        { groups: options.groups ?? [] },
      ),
    },
    ...options.privileged
      ? {
        capabilities: { bounding: all, effective: all, permitted: all },
        noNewPrivileges: false,
      }
      : {},
    ...options.process,
  };
}

/** Starts a further process in a container. */
export function startExec(
  bundle: Bundle,
  container: ContainerRecord,
  args: readonly string[],
  options: ExecOptions,
): Promise<ContainerProcess> {
  return withSweep(
    container.runtime.command,
    () => startProcess(bundle, container, args, options),
  );
}

async function startProcess(
  bundle: Bundle,
  container: ContainerRecord,
  args: readonly string[],
  options: ExecOptions,
): Promise<ContainerProcess> {
  const action = `run a process in container "${container.id}"`;
  if (args.length === 0) {
    throw new TypeError(`Cannot ${action}: no program is named`);
  }
  const status = containerStatus(container, bundle);
  if (status === "stopped" || (status === "paused" && !options.ignorePaused)) {
    throw new RuntimeError(action, {
      code: status === "paused" ? "Paused" : "NotRunning",
      runtime: container.runtime.command,
      detail: `the container is ${status}`,
    });
  }
  const spec = readSpec(bundle);
  const process = await specProcess(spec, args, { ...options, bundle });
  // The rest of the spec was looked at when the container was made.
  const { ociVersion, root } = spec;
  validateSpec({ ociVersion, root: root!, process });
  const execId = crypto.randomUUID().slice(0, 13);
  const files = execFiles(bundle, execId);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeLeft(container, files));
  try {
    makeFolder(bundle, files);
    const path = `${files.path}/process.json`;
    Deno.writeTextFileSync(path, specJson(process), { mode: 0o600 });
    const runtime = createRuntime(container.runtime);
    const launched = await launch(
      files,
      process,
      { ...options, owner: stdioOwner(spec, process.user) },
      (call) =>
        runtime.exec(container.id, {
          ...call,
          process: path,
          ignorePaused: options.ignorePaused,
        }),
    );
    undo.defer(() => endLaunched(launched));
    const record: ProcessRecord = launched.record;
    writeJson(files.record, record);
    const cgroups: CgroupPaths = container.cgroups;
    const parts: ProcessParts = {
      ...launched,
      containerId: container.id,
      files,
      cgroups,
    };
    emitEvent(bundle.state, {
      type: "exec-start",
      id: container.id,
      pid: record.pid,
    });
    const started = new ExecProcess(parts, bundle.state);
    undo.move();
    return started;
  } catch (error) {
    throw deletedMeanwhile(error, bundle, action) ??
      endedMeanwhile(error, { bundle, container, action }) ?? error;
  }
}

/** The folder of one process; that of the container is never made anew. In memory: nothing waits for a disk. */
function makeFolder(bundle: Bundle, files: ProcessFiles): void {
  try {
    Deno.mkdirSync(bundle.execs, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  Deno.mkdirSync(files.path, { mode: 0o700 });
}

/** A file that is missing because the container was deleted since it was looked for. */
function deletedMeanwhile(
  error: unknown,
  bundle: Bundle,
  action: string,
): RuntimeError | undefined {
  const isMissing = error instanceof Deno.errors.NotFound;
  if (!isMissing || isThere(bundle.path)) return undefined;
  return new RuntimeError(action, {
    code: "NotFound",
    detail: "it was deleted meanwhile",
  }, { cause: error });
}

/** A runtime that fails because the container ended since it was looked at: its words are of a broken pipe. */
function endedMeanwhile(
  error: unknown,
  { bundle, container, action }: {
    readonly bundle: Bundle;
    readonly container: ContainerRecord;
    readonly action: string;
  },
): RuntimeError | undefined {
  const isVague = error instanceof RuntimeError && error.code === "Failed";
  if (!isVague) return undefined;
  const hasEnded = containerStatus(container, bundle) === "stopped" ||
    processStat(container.pid)?.isExiting;
  if (!hasEnded) return undefined;
  const { runtime, args, exitCode } = error;
  return new RuntimeError(action, {
    code: "NotRunning",
    runtime,
    args,
    exitCode,
    detail: "the container ended meanwhile",
  }, { cause: error });
}
