/**
 * Devices by the Container Device Interface.
 *
 * @module
 */

import { type Edits, findDescribed, NAME_REGEXP } from "./_cdi_descriptions.ts";
import { applyEdits } from "./_cdi_edits.ts";
import type { Spec } from "./spec.ts";

/** Options of {@linkcode withCdiDevices}. */
export interface CdiOptions {
  /**
   * Folders with the descriptions of vendors; a device in a later one replaces that in an earlier one.
   *
   * @default {["/etc/cdi", "/var/run/cdi"]}
   */
  readonly folders?: readonly string[];
}

const FOLDERS = ["/etc/cdi", "/var/run/cdi"];

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
  const { devices, skipped } = await findDescribed(folders);
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
      result = await applyEdits(result, found.common);
    }
    result = await applyEdits(result, found.edits);
  }
  return result;
}
