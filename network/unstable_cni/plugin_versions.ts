/**
 * Asking plugins what they know.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { ask, isVersions } from "./_answer.ts";
import type { CniOptions } from "./cni_types.ts";

/**
 * Asks which versions of the specification a plugin knows.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param plugin The name of the program.
 * @param options Where plugins are.
 * @returns The versions.
 * @throws {CniError} If it does not answer, or something else.
 *
 * @see https://github.com/containernetworking/cni/blob/main/SPEC.md#version-probe-plugin-version-support
 *
 * @example Usage
 * ```ts ignore
 * import { pluginVersions } from "@containerkit/network/unstable-cni";
 *
 * console.log(await pluginVersions("bridge"));
 * ```
 */
export async function pluginVersions(
  plugin: string,
  options: CniOptions = {},
): Promise<string[]> {
  const config = { cniVersion: "1.1.0" };
  const { supportedVersions } = await ask("VERSION", options, {
    plugin,
    config,
    isAnswer: isVersions,
  });
  return supportedVersions;
}
