/**
 * Making containers.
 *
 * @module
 */

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
import type { Container, ContainerOptions } from "./container.ts";
import { createRuntime } from "./create_runtime.ts";
import { launch } from "./_launch.ts";
import { RuntimeError } from "./runtime_error.ts";
import { scrapContainer } from "./_scrap_container.ts";
import type { Spec } from "./spec.ts";
import type { StdioOptions } from "./stdio_options.ts";
import { validateSpec } from "./validate_spec.ts";

/** Options of {@linkcode create} and {@linkcode run}. */
export interface CreateOptions extends ContainerOptions, StdioOptions {
  /** Uses chroot(2) instead of pivot_root(2), for a root filesystem in the initial ramdisk. */
  readonly noPivot?: boolean;
  /** Leaves the session keyring. */
  readonly noNewKeyring?: boolean;
  /** Stops the making; nothing is left behind. */
  readonly signal?: AbortSignal;
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
 * @throws {TypeError} If the id is not fine.
 * @throws {SpecError} If the configuration breaks a rule.
 * @throws {RuntimeError} If the id is taken, or the runtime refuses.
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
  const { state = STATE, signal } = options;
  const bundle = bundleOf(state, id);
  validateSpec(spec);
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
  await claim(bundle, state);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => Deno.remove(bundle.path, { recursive: true }));
  // Whoever cleans up after crashes leaves alone what is locked.
  using _lock = tryLockFile(bundle.lock);
  const cgroupsPath = spec.linux?.cgroupsPath ?? await defaultCgroup(state, id);
  const full: Spec = { ...spec, linux: { ...spec.linux, cgroupsPath } };
  await Deno.writeTextFile(bundle.config, JSON.stringify(full), {
    mode: 0o600,
  });
  await Deno.mkdir(runtime.options.root, { recursive: true, mode: 0o700 });
  undo.defer(() => scrapContainer(runtime, id, cgroupsPath));
  const launched = await launch(
    bundle,
    spec.process,
    options,
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
  };
  writeJson(bundle.record, record);
  undo.move();
  return new ContainerImpl({
    ...launched,
    containerId: id,
    files: bundle,
    record,
    cgroups: record.cgroups,
  });
}
