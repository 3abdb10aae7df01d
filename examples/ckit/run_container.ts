import {
  createSpec,
  type CreateSpecOptions,
  run,
} from "@containerkit/execution";
import type { AttachPort } from "@containerkit/network";
import type { Context } from "./command.ts";
import { findImage } from "./images.ts";
import { openSandbox, type SandboxRecord } from "./sandbox.ts";
import { openContent, openSnapshots } from "./stores.ts";

/** What `ckit run` was asked for. */
export interface RunOptions {
  /** The container's id. */
  readonly id: string;
  readonly reference: string;
  /** Instead of the image's own command. */
  readonly args: readonly string[];
  readonly network: SandboxRecord["network"];
  readonly publish: readonly AttachPort[];
  /** Removes the container at its end. */
  readonly remove: boolean;
  readonly plainHttp: boolean;
  readonly snapshotter: string | undefined;
  readonly runtime: string | undefined;
  /** What else the spec is to be. */
  readonly spec: Partial<CreateSpecOptions>;
}

/** Runs a container in the foreground; its exit code is what it gives. */
export async function runContainer(
  context: Context,
  options: RunOptions,
): Promise<number> {
  const { id, runtime } = options;
  const { signal, state } = context;
  using content = await openContent(context);
  await using snapshots = await openSnapshots(context, options.snapshotter);
  const { name, image, chainId } = await findImage(
    context,
    options.reference,
    { content, snapshots },
    options,
  );
  await using sandbox = await openSandbox(context, id, snapshots, {
    image: name,
    chainId,
    network: options.network,
    publish: options.publish,
  });
  const spec = await createSpec(image.config, {
    hostname: id,
    ...options.spec,
    rootfs: sandbox.rootfs,
    mounts: [...sandbox.mounts, ...options.spec.mounts ?? []],
    netns: sandbox.netns === undefined ? "host" : sandbox.netns,
    ...(options.args.length === 0 ? {} : { args: options.args }),
  });
  await using container = await run(id, spec, {
    state,
    stdin: "inherit",
    signal,
    ...(runtime === undefined ? {} : { runtime: { command: runtime } }),
  });
  // From here on a signal is the container's: what it does about it decides the exit code.
  const forward = () => container.kill("SIGINT");
  signal.addEventListener("abort", forward);
  try {
    const { code } = await container.status;
    if (!options.remove) {
      container.keep();
      sandbox.keep();
    }
    return code;
  } finally {
    signal.removeEventListener("abort", forward);
  }
}
