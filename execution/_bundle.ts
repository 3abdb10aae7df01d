import { resolve } from "@std/path/posix/resolve";
import { writeFileAtomic } from "@containerkit/state";
import { checkId } from "./_check_id.ts";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { isThere } from "./_is_there.ts";
import type { ContainerStatus } from "./container_process.ts";
import type { ContainerLog } from "./log_options.ts";
import type { OomCounters } from "./_oom.ts";
import type { RuntimeOptions } from "./runtime.ts";
import type { Spec } from "./spec.ts";
import { specJson } from "./_spec_json.ts";
import type { SpecResources } from "./spec_linux.ts";

/** Where the default for everything that belongs to this boot is. */
export const STATE = "/run/containerkit";

/** What names one process for good. */
export interface ProcessIdentity {
  /** Id on the host. */
  readonly pid: number;
  /** Ticks after the boot. */
  readonly startTime: number;
}

/** What is known of a process once it exists. */
export interface ProcessRecord extends ProcessIdentity {
  /** Whether it has a terminal. */
  readonly terminal: boolean;
  /** When it was made. */
  readonly created: string;
}

/** What is known of a container once it exists. */
export interface ContainerRecord extends ProcessRecord {
  /** Version of this file. */
  readonly version: 1;
  /** Id of the container. */
  readonly id: string;
  /** What made it. */
  readonly runtime: Required<RuntimeOptions>;
  /** Its cgroups. */
  readonly cgroups: CgroupPaths;
  /** What its spec called them, if it did. */
  readonly cgroupsPath?: string;
  /** Whether its processes outlive the first one. */
  readonly sharedPids: boolean;
  /** Whether the monitor of the folder holds its input and output. */
  readonly monitored: boolean;
  /** The conmon that holds it, if one does. */
  readonly conmon?: ProcessIdentity;
  /** Whether the runtime need not be called to start and delete it. */
  readonly native: boolean;
  /** Where its output is kept. */
  readonly log?: ContainerLog;
  /** What the kernel had counted of its cgroups when it was made: whoever opens it later counts from there too. */
  readonly oom?: OomCounters;
}

/** The files of a process: of the container itself, or of an exec. */
export interface ProcessFiles {
  /** The folder. */
  readonly path: string;
  /** The runtime writes the id of the process here. */
  readonly pid: string;
  /** The runtime writes its errors here. */
  readonly log: string;
  /** {@linkcode ProcessRecord}, written once the process exists. */
  readonly record: string;
  /** {@linkcode ContainerStatus}, written once it has ended. */
  readonly exit: string;
}

/** The files of a container. */
export interface Bundle extends ProcessFiles {
  /** Id of the container. */
  readonly id: string;
  /** The folder of all that belongs to this boot. */
  readonly state: string;
  /** The spec. */
  readonly config: string;
  /** Which runtime is called, written before anything is made elsewhere. */
  readonly intent: string;
  /** Locked while the container is being made. */
  readonly lock: string;
  /** Folder of its execs. */
  readonly execs: string;
  /** Limits that were changed since it was made. */
  readonly resources: string;
}

/** The folder of all containers. */
export const containersPath = (state: string) => `${state}/containers`;

/** The record in a folder of a container or of a further process. */
export const recordIn = (path: string) => `${path}/record.json`;

function processFiles(path: string): ProcessFiles {
  return {
    path,
    pid: `${path}/pid`,
    log: `${path}/log.json`,
    record: recordIn(path),
    exit: `${path}/exit.json`,
  };
}

/** The files of a container. */
export function bundleOf(folder: string, id: string): Bundle {
  checkId(id);
  // Others know it by the whole path, and the working directory may change.
  const state = resolve(folder);
  const path = `${containersPath(state)}/${id}`;
  return {
    ...processFiles(path),
    id,
    state,
    config: `${path}/config.json`,
    intent: `${path}/intent.json`,
    lock: `${path}/lock`,
    execs: `${path}/exec`,
    resources: `${path}/resources.json`,
  };
}

/** The files of a further process. */
export function execFiles(bundle: Bundle, execId: string): ProcessFiles {
  return processFiles(`${bundle.execs}/${execId}`);
}

function readJson<T>(path: string): T | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return JSON.parse(text);
}

/** Reads the record of a container; `undefined` if there is none of that id, or it is not complete. */
export function readRecord(bundle: Bundle): ContainerRecord | undefined {
  const record = readJson<ContainerRecord>(bundle.record);
  if (record !== undefined && record.version !== 1) {
    throw new Deno.errors.InvalidData(
      `Cannot read "${bundle.record}": it is of version ${record.version}, 1 is known`,
    );
  }
  return record;
}

/** Reads the record of a process; `undefined` if it is not there yet, or not any more. */
export const readProcess = (files: ProcessFiles): ProcessRecord | undefined =>
  readJson(files.record);

/** Reads how a process ended; `undefined` while it is not known. */
export const readExit = (files: ProcessFiles): ContainerStatus | undefined =>
  readJson(files.exit);

/** Whether it is written down how a process ended, or nobody can ask any more. */
export function isTold(files: ProcessFiles): boolean {
  return readExit(files) !== undefined || !isThere(files.path);
}

/** Reads the limits that were changed since a container was made. */
export const readResources = (bundle: Bundle): SpecResources =>
  readJson(bundle.resources) ?? {};

/** Reads the spec of a container. */
export function readSpec(bundle: Bundle): Spec {
  const spec = readJson<Spec>(bundle.config);
  if (spec === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot read the spec: "${bundle.config}" is not there`,
    );
  }
  return spec;
}

/** Writes the spec of a container, as {@linkcode writeJson} writes a file. */
export function writeSpec(bundle: Bundle, spec: Spec): void {
  writeFileAtomic(bundle.config, specJson(spec), { durable: false });
}

/**
 * Writes a file as a whole or not at all. It is of this boot only: nothing waits
 * for a disk.
 */
export function writeJson(path: string, value: unknown): void {
  writeFileAtomic(path, JSON.stringify(value), { durable: false });
}

/**
 * Writes what only the first may write, such as an exit that several programs see.
 *
 * @returns Whether this was the first; `undefined` if the folder has gone.
 */
export function claimJson(path: string, value: unknown): boolean | undefined {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    Deno.writeTextFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
    Deno.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was not made, or went with the folder.
    }
  }
}

/** Reads the process id that the runtime wrote. */
export function readPid(files: ProcessFiles): number {
  let text: string;
  try {
    text = Deno.readTextFileSync(files.pid);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotFound(
      `Cannot read "${files.pid}": the runtime made no process, or did not say which`,
      { cause },
    );
  }
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid <= 0) {
    throw new Deno.errors.InvalidData(
      `Cannot read "${files.pid}": it holds no process id`,
    );
  }
  return pid;
}
