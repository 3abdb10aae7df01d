import type { DeviceNode, Edits } from "./_cdi_descriptions.ts";
import { hostDevices } from "./host_devices.ts";
import type { Spec, SpecHooks, SpecMount } from "./spec.ts";
import type { SpecDevice, SpecDeviceRule } from "./spec_linux.ts";

async function device(
  node: DeviceNode,
  user: { uid: number; gid: number } | undefined,
): Promise<{ device: SpecDevice; rule: SpecDeviceRule }> {
  const { path, hostPath = path, permissions: access = "rwm" } = node;
  let made: SpecDevice = {
    path,
    type: node.type ?? "c",
    major: node.major ?? 0,
    minor: node.minor ?? 0,
  };
  if (node.type === undefined || node.major === undefined) {
    const { devices } = await hostDevices([{
      path: hostPath,
      destination: path,
    }]);
    made = devices[0]!;
  }
  const { uid = user?.uid || undefined, gid = user?.gid || undefined } = node;
  return {
    device: {
      ...made,
      ...node.fileMode === undefined ? {} : { fileMode: node.fileMode },
      ...uid === undefined ? {} : { uid },
      ...gid === undefined ? {} : { gid },
    },
    rule: {
      allow: true,
      type: made.type as "c" | "b",
      major: made.major!,
      minor: made.minor!,
      access,
    },
  };
}

/** The later of two of the same key. */
function replace<T>(
  old: readonly T[],
  added: readonly T[],
  key: (item: T) => string,
): T[] {
  const keys = new Set(added.map(key));
  return [...old.filter((item) => !keys.has(key(item))), ...added];
}

/** Gives a configuration what a description asks for. */
export async function applyEdits(spec: Spec, edits: Edits): Promise<Spec> {
  const { process, linux = {} } = spec;
  const nodes = await Promise.all(
    (edits.deviceNodes ?? []).map((node) => device(node, process?.user)),
  );
  const mounts: SpecMount[] = (edits.mounts ?? []).map((mount) => ({
    destination: mount.containerPath,
    source: mount.hostPath,
    type: mount.type ?? "bind",
    options: [...mount.options ?? ["rbind", "ro"]],
  }));
  const hooks: Record<string, unknown[]> = { ...spec.hooks };
  for (const { hookName, ...hook } of edits.hooks ?? []) {
    hooks[hookName] = [...hooks[hookName] ?? [], hook];
  }
  const gids = edits.additionalGids ?? [];
  return {
    ...spec,
    ...process === undefined ? {} : {
      process: {
        ...process,
        env: replace(
          process.env ?? [],
          edits.env ?? [],
          (entry) => entry.split("=")[0]!,
        ),
        user: gids.length === 0 ? process.user : {
          ...process.user,
          additionalGids: [
            ...new Set([...process.user?.additionalGids ?? [], ...gids]),
          ],
        },
      },
    },
    mounts: replace(
      spec.mounts ?? [],
      mounts,
      ({ destination }) => destination,
    ),
    ...Object.keys(hooks).length === 0 ? {} : { hooks: hooks as SpecHooks },
    linux: {
      ...linux,
      devices: replace(
        linux.devices ?? [],
        nodes.map(({ device }) => device),
        ({ path }) => path,
      ),
      resources: {
        ...linux.resources,
        devices: [
          ...linux.resources?.devices ?? [],
          ...nodes.map(({ rule }) => rule),
        ],
      },
    },
  };
}
