/**
 * Devices by the Container Device Interface.
 *
 * @module
 */

import { hostDevices } from "./host_devices.ts";
import type { Spec, SpecHooks, SpecMount } from "./spec.ts";
import type { SpecDevice, SpecDeviceRule } from "./spec_linux.ts";

/** Options of {@linkcode withCdiDevices}. */
export interface CdiOptions {
  /**
   * Folders with the descriptions of vendors; a device in a later one replaces that in an earlier one.
   *
   * @default {["/etc/cdi", "/var/run/cdi"]}
   */
  readonly folders?: readonly string[];
}

interface DeviceNode {
  readonly path: string;
  readonly hostPath?: string;
  readonly type?: SpecDevice["type"];
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly permissions?: string;
  readonly uid?: number;
  readonly gid?: number;
}

interface Edits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly DeviceNode[];
  readonly mounts?: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly options?: readonly string[];
    readonly type?: string;
  }[];
  readonly hooks?: readonly {
    readonly hookName: keyof SpecHooks;
    readonly path: string;
    readonly args?: readonly string[];
    readonly env?: readonly string[];
    readonly timeout?: number;
  }[];
  readonly additionalGids?: readonly number[];
}

interface Description {
  readonly cdiVersion: string;
  readonly kind: string;
  readonly devices: readonly {
    readonly name: string;
    readonly containerEdits: Edits;
  }[];
  readonly containerEdits?: Edits;
}

const FOLDERS = ["/etc/cdi", "/var/run/cdi"];
const KNOWN_EDITS = new Set([
  "env",
  "deviceNodes",
  "mounts",
  "hooks",
  "additionalGids",
]);
const HOOKS = new Set([
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
]);
const NAME_REGEXP = /^([\w.-]+\/[\w.-]+)=([\w.:-]+)$/;
const VERSION_REGEXP = /^v?(0\.[3-9]|1\.\d+)\.\d+$/;

/** A device, and the file that describes it. */
interface Found {
  readonly file: string;
  readonly folder: string;
  readonly edits: Edits;
  /** Of every device of the file. */
  readonly common: Edits | undefined;
}

function parse(file: string, text: string): Description {
  const bad = (why: string, cause?: unknown) =>
    new TypeError(`Cannot read the devices of "${file}": ${why}`, { cause });
  let value: Description;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad("it is no JSON", cause);
  }
  if (!VERSION_REGEXP.test(value?.cdiVersion)) {
    throw bad(`its version is ${JSON.stringify(value?.cdiVersion)}`);
  }
  if (!NAME_REGEXP.test(`${value.kind}=x`)) {
    throw bad(`its kind is ${JSON.stringify(value.kind)}`);
  }
  if (!Array.isArray(value.devices)) throw bad("it has no devices");
  const all = [
    value.containerEdits,
    ...value.devices.map(({ containerEdits }) => containerEdits),
  ];
  for (const edits of all) {
    const unknown = Object.keys(edits ?? {}).find((key) =>
      !KNOWN_EDITS.has(key)
    );
    // What it asks for would be missing in the container.
    if (unknown !== undefined) throw bad(`it asks for "${unknown}"`);
    for (const { hookName } of edits?.hooks ?? []) {
      if (!HOOKS.has(hookName)) throw bad(`it names the hook "${hookName}"`);
    }
  }
  return value;
}

async function names(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Every device that is described; files in YAML are only noted. */
async function findAll(
  folders: readonly string[],
): Promise<{ devices: Map<string, Found>; skipped: string[] }> {
  const devices = new Map<string, Found>();
  const skipped: string[] = [];
  for (const folder of folders) {
    for (const name of await names(folder)) {
      const file = `${folder}/${name}`;
      if (/\.ya?ml$/.test(name)) skipped.push(file);
      if (!name.endsWith(".json")) continue;
      const found = parse(file, await Deno.readTextFile(file));
      for (const { name, containerEdits } of found.devices) {
        const full = `${found.kind}=${name}`;
        const other = devices.get(full);
        if (other?.folder === folder) {
          throw new TypeError(
            `Cannot use the device "${full}": "${other.file}" and "${file}" describe it`,
          );
        }
        devices.set(full, {
          file,
          folder,
          edits: containerEdits ?? {},
          common: found.containerEdits,
        });
      }
    }
  }
  return { devices, skipped };
}

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

async function apply(spec: Spec, edits: Edits): Promise<Spec> {
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

/**
 * Gives a container devices that vendors describe on this machine, such as GPUs:
 * device files, mounts, variables, groups and hooks. Descriptions in JSON are read.
 *
 * @param spec The configuration.
 * @param names Names such as `nvidia.com/gpu=0`.
 * @param options Where the descriptions are.
 * @returns The configuration with what the devices need; the one given is left as it is.
 * @throws {Deno.errors.NotFound} If nobody describes a device.
 * @throws {TypeError} If a name or a description is not one, two describe the same device, or a description asks for something that is not known.
 *
 * @see https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
 *
 * @example Usage
 * ```ts ignore
 * import { createSpec, run, withCdiDevices } from "@containerkit/execution";
 *
 * const spec = await createSpec({}, { rootfs: "/rootfs", args: ["nvidia-smi"] });
 * await run("gpu", await withCdiDevices(spec, ["nvidia.com/gpu=all"]));
 * ```
 */
export async function withCdiDevices(
  spec: Spec,
  names: readonly string[],
  options: CdiOptions = {},
): Promise<Spec> {
  const { folders = FOLDERS } = options;
  for (const name of names) {
    if (!NAME_REGEXP.test(name)) {
      throw new TypeError(
        `Cannot use the device "${name}": expected vendor/class=name`,
      );
    }
  }
  const { devices, skipped } = await findAll(folders);
  const common = new Set<Edits>();
  let result = spec;
  for (const name of new Set(names)) {
    const found = devices.get(name);
    if (found === undefined) {
      const note = skipped.length === 0
        ? ""
        : `; not read, as they are YAML: ${skipped.join(", ")}`;
      throw new Deno.errors.NotFound(
        `Cannot use the device "${name}": nothing in ${
          folders.join(", ")
        } describes it${note}`,
      );
    }
    // Once for every file that a device is taken of, before its first.
    if (found.common !== undefined && !common.has(found.common)) {
      common.add(found.common);
      result = await apply(result, found.common);
    }
    result = await apply(result, found.edits);
  }
  return result;
}
