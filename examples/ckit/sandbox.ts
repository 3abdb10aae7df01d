import {
  type BindMount,
  isMountPoint,
  mount,
  unmount,
} from "@containerkit/mount";
import {
  attach,
  type AttachPort,
  type Confinement,
  detach,
  NetNs,
  PRIVATE_NETWORKS,
  removeNetNs,
} from "@containerkit/network";
import type { Descriptor } from "@containerkit/oci";
import type { Snapshotter } from "@containerkit/snapshot";
import { openVolumes } from "@containerkit/volume";
import type { Context } from "./command.ts";
import { nameServers, writeDnsFiles } from "./dns.ts";
import { bridgeOf, leaseAddress, releaseAddresses, subnetOf } from "./ipam.ts";
import {
  attachmentsOf,
  folderOf,
  isOnBridge,
  readSandbox,
  type SandboxRecord,
  VOLUME_NOTE,
} from "./sandbox_record.ts";
import { openSnapshots } from "./stores.ts";

/** Options of {@linkcode openSandbox}. */
export interface SandboxOptions {
  readonly image: string;
  readonly descriptor: Descriptor;
  readonly chainId: string;
  readonly hostname: string;
  readonly network: SandboxRecord["network"];
  readonly publish: readonly AttachPort[];
}

/** A root filesystem and a network for one container. Disposing removes both. */
export interface Sandbox extends AsyncDisposable {
  readonly record: SandboxRecord;
  /** Where the root filesystem is mounted. */
  readonly rootfs: string;
  /** The file of the network namespace, or `undefined` for the host's. */
  readonly netns: string | undefined;
  /** Its address, if it has one. */
  readonly address: string | undefined;
  /** The files that tell it its name and who resolves others. */
  readonly mounts: readonly { destination: string; mount: BindMount }[];
  /** Takes note of an attached volume: it is let go of with the rest. */
  addVolume(attachment: string): void;
  /** Leaves it: `removeSandbox` removes it later. */
  keep(): void;
}

/** What the network knows a container by: two roots may have containers of one id. */
export function keyOf({ state }: Context, id: string): string {
  return `${bridgeOf(state)}@${id}`;
}

/** To the internet, and to whom it asks for names. */
function outbound(): Confinement {
  const allow = nameServers().map((address) => ({ address, port: 53 }));
  return { deny: PRIVATE_NETWORKS, allow };
}

/** Lets go of the volumes of a container. */
async function detachVolumes(
  context: Context,
  record: SandboxRecord,
): Promise<void> {
  const attachments = attachmentsOf(record);
  if (attachments.length === 0) return;
  await using volumes = await openVolumes(context);
  for (const attachment of attachments) await volumes.detach(attachment);
}

/** Undoes a sandbox, however much of it there is. */
export async function removeSandbox(
  context: Context,
  id: string,
): Promise<void> {
  const record = readSandbox(context, id);
  if (record === undefined) return;
  const { folder } = record;
  await detachVolumes(context, record);
  if (isOnBridge(record)) await detach(keyOf(context, id));
  await removeNetNs(`${folder}/netns`);
  releaseAddresses(context.state, id);
  if (isMountPoint(`${folder}/rootfs`)) await unmount(`${folder}/rootfs`);
  await using snapshots = await openSnapshots(context, record.snapshotter);
  try {
    await snapshots.remove(id);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.remove(folder, { recursive: true });
}

async function openNetwork(
  context: Context,
  record: SandboxRecord,
  publish: readonly AttachPort[],
): Promise<{ netns?: string; address?: string }> {
  const { id, folder, network } = record;
  if (network === "host") return {};
  const path = `${folder}/netns`;
  using netns = NetNs.create({ path });
  netns.keep();
  if (!isOnBridge(record)) return { netns: path };
  const { bridge, gateway, prefix } = await subnetOf(context.state, {
    signal: context.signal,
  });
  using lease = leaseAddress(context.state, { owner: id, prefix });
  const attachment = await attach(netns, {
    bridge,
    address: lease.address,
    gateway: gateway.split("/")[0]!,
    masquerade: true,
    forwarding: true,
    publish,
    ...(network === "outbound" && { confine: outbound() }),
    key: keyOf(context, id),
    signal: context.signal,
  });
  attachment.keep();
  lease.keep();
  return { netns: path, address: lease.address };
}

/**
 * Makes the folder of a container with its record in it: never one without the other, whenever ckit is killed.
 *
 * @throws {Deno.errors.AlreadyExists} If there is one.
 */
async function makeFolder(
  { state }: Context,
  record: SandboxRecord,
): Promise<void> {
  const temporary = `${state}/sandboxes/.${crypto.randomUUID()}`;
  await Deno.mkdir(temporary, { recursive: true, mode: 0o700 });
  try {
    await Deno.writeTextFile(
      `${temporary}/sandbox.json`,
      JSON.stringify(record),
    );
    await Deno.rename(temporary, record.folder);
  } catch (error) {
    await Deno.remove(temporary, { recursive: true });
    const { code } = error as { code?: string };
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    throw new Deno.errors.AlreadyExists(
      `Cannot create container "${record.id}": there is one of that id`,
    );
  }
}

/**
 * Makes a root filesystem and a network for a container.
 *
 * @throws {Deno.errors.AlreadyExists} If there is a container of that id.
 */
export async function openSandbox(
  context: Context,
  id: string,
  snapshots: Snapshotter,
  options: SandboxOptions,
): Promise<Sandbox> {
  const folder = folderOf(context, id);
  const record: SandboxRecord = {
    id,
    image: options.image,
    descriptor: options.descriptor,
    snapshotter: snapshots.driver,
    network: options.network,
    folder,
    created: new Date().toISOString(),
  };
  await makeFolder(context, record);
  try {
    const { signal } = context;
    const snapshot = await snapshots.prepare(id, options.chainId, { signal });
    // The record refers to it. With the boot that is gone, and nobody would remove it by its key.
    snapshot.keep({ root: false });
    await Deno.mkdir(`${folder}/rootfs`);
    const rootfs = await mount(snapshot.mounts, `${folder}/rootfs`, { signal });
    rootfs.keep();
    const { netns, address } = await openNetwork(
      context,
      record,
      options.publish,
    );
    const { mounts } = writeDnsFiles(folder, {
      hostname: options.hostname,
      sharesHost: record.network === "host",
      ...(address === undefined ? {} : { address }),
    });
    let kept = false;
    return {
      record,
      rootfs: rootfs.target,
      netns,
      address,
      mounts: mounts.map(({ destination, source }) => ({
        destination,
        mount: { type: "bind", source },
      })),
      addVolume: (attachment) =>
        Deno.writeTextFileSync(`${folder}/${VOLUME_NOTE}${attachment}`, ""),
      keep: () => void (kept = true),
      [Symbol.asyncDispose]: async () =>
        kept ? undefined : await removeSandbox(context, id),
    };
  } catch (error) {
    await removeSandbox(context, id);
    throw error;
  }
}
