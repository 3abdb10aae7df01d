import { tryLockFile } from "@containerkit/state";
import {
  type Bundle,
  bundleOf,
  type ContainerRecord,
  containersPath,
  STATE,
  writeJson,
} from "./_bundle.ts";
import { ownCgroups } from "./_cgroup_procs.ts";
import { ContainerImpl } from "./_container.ts";
import type { CreateOptions } from "./create.ts";
import { createRuntime } from "./create_runtime.ts";
import { emitEvent } from "./_events.ts";
import { launch } from "./_launch.ts";
import { requireFeatures } from "./_require_features.ts";
import { RuntimeError } from "./runtime_error.ts";
import { scrapContainer } from "./_scrap_container.ts";
import type { Spec } from "./spec.ts";

/** Options of {@linkcode createContainer}. */
export interface CreateContainerOptions extends Omit<CreateOptions, "monitor"> {
  /** Whether this program is the monitor. */
  readonly monitored?: boolean;
}

/** A name of its own in the cgroup tree for every container of every state folder. */
async function defaultCgroup(state: string, id: string): Promise<string> {
  const hash = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(state)),
  );
  return `/containerkit-${id}-${hash.subarray(0, 4).toHex()}`;
}

/** Claims the id: whoever makes the folder has it. */
async function claim(bundle: Bundle, state: string): Promise<void> {
  await Deno.mkdir(containersPath(state), { recursive: true, mode: 0o700 });
  try {
    await Deno.mkdir(bundle.path, { mode: 0o700 });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw new RuntimeError(`create container "${bundle.id}"`, {
      code: "AlreadyExists",
      runtime: "",
      args: [],
      exitCode: null,
      detail: "there is a container of that id",
    }, { cause });
  }
}

/** A runtime's own words for it differ, and tell less. */
async function checkRootfs(id: string, path: string): Promise<void> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isDirectory) return;
  throw new RuntimeError(`create container "${id}"`, {
    code: "BadBundle",
    runtime: "",
    args: [],
    exitCode: null,
    detail: `the root filesystem "${path}" ${
      info === undefined ? "does not exist" : "is no folder"
    }`,
  });
}

/** Makes a container as the child of this program. */
export async function createContainer(
  id: string,
  spec: Spec,
  options: CreateContainerOptions = {},
): Promise<ContainerImpl> {
  const { state = STATE, signal } = options;
  const bundle = bundleOf(state, id);
  if (spec.process === undefined) {
    throw new TypeError(`Cannot create container "${id}": no process is named`);
  }
  const rootfs = spec.root!.path;
  await checkRootfs(
    id,
    rootfs.startsWith("/") ? rootfs : `${bundle.path}/${rootfs}`,
  );
  signal?.throwIfAborted();
  const runtime = createRuntime({
    root: `${state}/runtime`,
    ...options.runtime,
  });
  await requireFeatures(runtime, spec, { id, signal });
  await claim(bundle, state);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => Deno.remove(bundle.path, { recursive: true }));
  // Whoever cleans up after crashes leaves alone what is locked.
  using _ = tryLockFile(bundle.lock);
  const cgroupsPath = spec.linux?.cgroupsPath ?? await defaultCgroup(state, id);
  const full: Spec = { ...spec, linux: { ...spec.linux, cgroupsPath } };
  await Deno.writeTextFile(bundle.config, JSON.stringify(full), {
    mode: 0o600,
  });
  writeJson(bundle.intent, runtime.options);
  await Deno.mkdir(runtime.options.root, { recursive: true, mode: 0o700 });
  undo.defer(() => scrapContainer(runtime, id, cgroupsPath));
  const log = options.log === undefined
    ? undefined
    : { path: `${bundle.path}/output.log`, ...options.log };
  const { log: _log, ...rest } = options;
  const launched = await launch(
    bundle,
    spec.process,
    {
      ...rest,
      ...log === undefined ? {} : { log },
      pump: options.monitored ?? false,
    },
    (call) =>
      runtime.create(id, bundle.path, {
        ...call,
        noPivot: options.noPivot,
        noNewKeyring: options.noNewKeyring,
      }),
  );
  const record: ContainerRecord = {
    ...launched.record,
    version: 1,
    id,
    runtime: runtime.options,
    cgroups: ownCgroups(launched.record.pid),
    sharedPids: !spec.linux?.namespaces?.some(({ type, path }) =>
      type === "pid" && path === undefined
    ),
    monitored: options.monitored ?? false,
    ...log === undefined ? {} : { log },
  };
  writeJson(bundle.record, record);
  emitEvent(state, { type: "create", id, pid: record.pid });
  undo.move();
  return new ContainerImpl({
    holder: true,
    ...launched,
    containerId: id,
    files: bundle,
    record,
    cgroups: record.cgroups,
  });
}
