import {
  create,
  type CreateOptions,
  createSpec,
  type CreateSpecOptions,
  run,
} from "@containerkit/execution";
import type { Image } from "@containerkit/distribution";
import type { AttachPort } from "@containerkit/network";
import { apparmorOf } from "./apparmor.ts";
import { type Context, requireRoot } from "./command.ts";
import { join, monitoredOptions, terminalOf } from "./containers.ts";
import { forwardSignals } from "./forward_signals.ts";
import { findImage } from "./images.ts";
import { requireUnused } from "./listeners.ts";
import { openSandbox } from "./sandbox.ts";
import type { SandboxRecord } from "./sandbox_record.ts";
import { openContent, openSnapshots } from "./stores.ts";
import { useVolumes, type VolumeUse } from "./volumes.ts";

/** What `ckit run` and `ckit create` were asked for. */
export interface RunOptions {
  /** The container's id. */
  readonly id: string;
  readonly reference: string;
  /** Instead of the image's own command. */
  readonly args: readonly string[];
  readonly network: SandboxRecord["network"];
  readonly publish: readonly AttachPort[];
  readonly volumes: readonly VolumeUse[];
  /** Only makes it, runs it in the background, or waits for its end. */
  readonly mode: "create" | "detached" | "foreground";
  /** Removes the container at its end; in the foreground only. */
  readonly remove: boolean;
  readonly interactive: boolean;
  readonly terminal: boolean;
  readonly plainHttp: boolean;
  readonly snapshotter: string | undefined;
  readonly runtime: string | undefined;
  /** What else the spec is to be. */
  readonly spec: Partial<CreateSpecOptions>;
}

/** What is thrown away at its end has ckit's own input and output: nobody comes back to it. */
function stdioOf(context: Context, options: RunOptions): CreateOptions {
  const { mode, remove, interactive, terminal } = options;
  if (remove && !terminal) {
    return { stdin: interactive ? "inherit" : "null" };
  }
  return monitoredOptions(context, {
    interactive,
    terminal,
    detach: mode !== "foreground",
  });
}

/** Shells and scripts look for their host's name there, unless the image says another. */
function hostnameOf(
  { config }: Image,
  hostname: string,
): Record<string, string> {
  const own = config.config?.Env ?? [];
  return own.some((entry) => entry.startsWith("HOSTNAME="))
    ? {}
    : { HOSTNAME: hostname };
}

type SpecMount = NonNullable<CreateSpecOptions["mounts"]>[number];

/** What is bound by its path without links: a container that may put one there later leads nobody astray. */
function withoutLinks({ destination, mount }: SpecMount): SpecMount {
  if (mount.type !== "bind") return { destination, mount };
  try {
    const source = Deno.realPathSync(mount.source);
    return { destination, mount: { ...mount, source } };
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotFound(
      `Cannot bind "${mount.source}" to "${destination}": it is not there`,
      { cause },
    );
  }
}

/**
 * Makes a container of an image, and runs it if it was asked for.
 *
 * @returns The exit code: the container's own if it was waited for.
 */
export async function runContainer(
  context: Context,
  options: RunOptions,
): Promise<number> {
  const { id, runtime, mode, terminal, interactive } = options;
  const { signal, state } = context;
  requireRoot("run a container");
  requireUnused(options.publish);
  using content = await openContent(context);
  await using snapshots = await openSnapshots(context, options.snapshotter);
  const { name, image, chainId } = await findImage(
    context,
    options.reference,
    { content, snapshots },
    options,
  );
  const { hostname = id } = options.spec;
  await using sandbox = await openSandbox(context, id, snapshots, {
    image: name,
    descriptor: image.descriptor,
    chainId,
    hostname,
    network: options.network,
    publish: options.publish,
  });
  const volumes = await useVolumes(context, sandbox, options.volumes);
  const spec = await createSpec(image.config, {
    ...options.spec,
    env: { ...hostnameOf(image, hostname), ...options.spec.env },
    hostname,
    ...await apparmorOf(options.spec, signal),
    terminal: terminalOf(terminal),
    rootfs: sandbox.rootfs,
    mounts: [
      ...sandbox.mounts,
      ...volumes,
      ...options.spec.mounts ?? [],
    ].map(withoutLinks),
    netns: sandbox.netns === undefined ? "host" : sandbox.netns,
    ...(options.args.length === 0 ? {} : { args: options.args }),
  });
  const stdio = stdioOf(context, options);
  // In the foreground it is started once its signals are handed on: the first it prints may be what it is stopped for.
  const make = mode === "detached" ? run : create;
  await using container = await make(id, spec, {
    ...stdio,
    state,
    signal,
    ...(runtime === undefined ? {} : { runtime: { command: runtime } }),
  });
  const keep = () => {
    container.keep();
    sandbox.keep();
  };
  if (mode !== "foreground") {
    keep();
    context.print(id);
    return 0;
  }
  if (stdio.monitor !== undefined) {
    const start = () => container.start();
    const code = await join(container, {
      interactive,
      terminal,
      signal,
      start,
    });
    if (code === undefined || !options.remove) keep();
    return code ?? 0;
  }
  using _signals = forwardSignals(container, { signal });
  await container.start();
  return (await container.status).code;
}
