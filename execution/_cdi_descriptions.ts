import type { SpecHooks } from "./spec.ts";
import type { SpecDevice } from "./spec_linux.ts";

/** A device file that a description asks for. */
export interface DeviceNode {
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

/** What a description asks to change in a container. */
export interface Edits {
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
export const NAME_REGEXP = /^([\w.-]+\/[\w.-]+)=([\w.:-]+)$/;
const VERSION_REGEXP = /^v?(0\.[3-9]|1\.\d+)\.\d+$/;

/** A device, and the file that describes it. */
export interface Found {
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
export async function findDescribed(
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
