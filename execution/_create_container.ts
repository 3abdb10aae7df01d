import { FsMagic, statFs } from "@containerkit/libc";
import {
  bundleOf,
  type ContainerRecord,
  STATE,
  writeJson,
  writeSpec,
} from "./_bundle.ts";
import { cgroupPathOf } from "./_cgroup_path_of.ts";
import { containerCgroups } from "./_cgroup_procs.ts";
import { claimBundle } from "./_claim_bundle.ts";
import { ContainerImpl } from "./_container.ts";
import { launchByConmon } from "./_conmon.ts";
import { tellLost } from "./_events.ts";
import type { CreateOptions } from "./create.ts";
import { createRuntime } from "./create_runtime.ts";
import { launch } from "./_launch.ts";
import { explainDenied } from "./_explain_denied.ts";
import { missingOfHost } from "./_missing_of_host.ts";
import { mayBeNative } from "./_native_runc.ts";
import { oomCounters } from "./_oom.ts";
import { keepChild } from "./_orphans.ts";
import { requireFeatures } from "./_require_features.ts";
import { lockNames, requireFree } from "./_require_free.ts";
import { removeFolder } from "./_runtime_copies.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";
import { scrapContainer } from "./_scrap_container.ts";
import { stdioOwner } from "./_stdio_owner.ts";
import { withSweep } from "./_sweep.ts";
import { withTimeOffsets } from "./_time_offsets.ts";
import type { Spec } from "./spec.ts";

/** Options of {@linkcode createContainer}. */
export interface CreateContainerOptions extends Omit<CreateOptions, "monitor"> {
  /** Whether this program is the monitor. */
  readonly monitored?: boolean;
  /** The conmon that makes and holds it. */
  readonly conmon?: string;
}

/** A path that is not absolute begins at the bundle. */
function rootfsOf({ root }: Spec, bundle: { readonly path: string }): string {
  const { path } = root!;
  return path.startsWith("/") ? path : `${bundle.path}/${path}`;
}

/** A runtime's own words for it differ, and tell less. */
function checkRootfs(id: string, path: string): void {
  let info: Deno.FileInfo | undefined;
  try {
    info = Deno.statSync(path);
  } catch {
    // Told below.
  }
  if (info?.isDirectory) return;
  throw badBundle(
    id,
    `the root filesystem "${path}" ${
      info === undefined ? "does not exist" : "is no folder"
    }`,
  );
}

/** What is left of a pin that was unmounted is a file, of which runc says nothing. */
function checkNamespaces(id: string, { linux }: Spec): void {
  for (const { type, path } of linux?.namespaces ?? []) {
    if (path === undefined) continue;
    let found: number | undefined;
    try {
      found = statFs(path).type;
    } catch {
      // Told below.
    }
    if (found === FsMagic.NSFS) continue;
    throw badBundle(
      id,
      `the ${type} namespace "${path}" ${
        found === undefined ? "does not exist" : "is another file"
      }`,
    );
  }
}

function badBundle(id: string, detail: string): RuntimeError {
  return new RuntimeError(`create container "${id}"`, {
    code: "BadBundle",
    detail,
  });
}

/** Nothing is begun that the machine cannot do. */
function requireHost(runtime: Runtime, spec: Spec, id: string): void {
  const missing = missingOfHost(runtime.options, spec);
  if (missing === undefined) return;
  throw new RuntimeError(`create container "${id}"`, {
    code: "NotSupported",
    detail: missing,
  });
}

/** Makes a container as the child of this program. */
export function createContainer(
  id: string,
  spec: Spec,
  options: CreateContainerOptions = {},
): Promise<ContainerImpl> {
  const bundle = bundleOf(options.state ?? STATE, id);
  return withSweep(
    options.runtime?.command ?? "runc",
    async () => {
      try {
        return await makeContainer(id, spec, options);
      } catch (error) {
        throw explainDenied(error, {
          id,
          spec,
          rootfs: rootfsOf(spec, bundle),
        });
      }
    },
  );
}

async function makeContainer(
  id: string,
  spec: Spec,
  options: CreateContainerOptions,
): Promise<ContainerImpl> {
  const { state = STATE, signal } = options;
  const bundle = bundleOf(state, id);
  if (spec.process === undefined) {
    throw new TypeError(`Cannot create container "${id}": no process is named`);
  }
  checkRootfs(id, rootfsOf(spec, bundle));
  checkNamespaces(id, spec);
  signal?.throwIfAborted();
  const runtime = createRuntime({
    root: `${state}/runtime`,
    ...options.runtime,
  });
  const cgroupsPath = cgroupPathOf(spec, {
    runtime: runtime.options,
    state,
    id,
  });
  requireHost(runtime, spec, id);
  await requireFeatures(runtime, spec, { id, signal });
  using _bundle = await claimBundle(bundle, signal);
  // Let go last: until then what is undone is nobody else's.
  using locks = new DisposableStack();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeFolder(bundle.path));
  // Before there is anything outside of the bundle.
  writeJson(bundle.intent, runtime.options);
  // A cgroup that is not named is this id's alone.
  const named = spec.linux?.cgroupsPath;
  locks.use(lockNames(runtime, bundle, named));
  requireFree(runtime, id, cgroupsPath);
  const full = withTimeOffsets({
    ...spec,
    linux: { ...spec.linux, cgroupsPath },
  }, runtime.options.flavor);
  writeSpec(bundle, full);
  undo.defer(() => scrapContainer(runtime, bundle, cgroupsPath));
  const log = options.log === undefined
    ? undefined
    : { path: `${bundle.path}/output.log`, ...options.log };
  const { log: _log, conmon, ...rest } = options;
  const { noPivot, noNewKeyring } = options;
  const launched = conmon === undefined
    ? await launch(
      bundle,
      spec.process,
      {
        ...rest,
        ...log === undefined ? {} : { log },
        pump: options.monitored ?? false,
        onLost: tellLost(bundle),
        owner: stdioOwner(spec, spec.process.user),
      },
      (call) =>
        runtime.create(id, bundle.path, { ...call, noPivot, noNewKeyring }),
    )
    : await launchByConmon(bundle, {
      command: conmon,
      runtime: runtime.options,
      process: spec.process,
      log: log!.path,
      noPivot,
      noNewKeyring,
      signal,
    });
  const cgroups = containerCgroups(launched.record.pid, cgroupsPath);
  const record: ContainerRecord = {
    ...launched.record,
    version: 1,
    id,
    runtime: runtime.options,
    cgroups,
    oom: oomCounters(cgroups),
    ...named === undefined ? {} : { cgroupsPath: named },
    sharedPids: !spec.linux?.namespaces?.some(({ type, path }) =>
      type === "pid" && path === undefined
    ),
    native: mayBeNative(runtime.options, spec),
    monitored: options.monitored ?? false,
    ...launched.conmon === undefined ? {} : { conmon: launched.conmon },
    ...log === undefined ? {} : { log },
  };
  if (launched.conmon !== undefined) {
    const { pid, startTime } = launched.conmon;
    // What it has to tell is in files.
    const isTold = () => true;
    keepChild(pid, { startTime, cgroups: record.cgroups, isTold });
  }
  // What is written from here on may not fit.
  undo.defer(() => launched.streams.close());
  undo.use(launched.pidfd);
  writeJson(bundle.record, record);
  const container = new ContainerImpl({
    holder: true,
    isNew: true,
    ...launched,
    containerId: id,
    files: bundle,
    record,
    cgroups: record.cgroups,
  });
  undo.move();
  return container;
}
