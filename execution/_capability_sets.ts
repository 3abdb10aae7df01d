import { allCapabilities } from "./_all_capabilities.ts";
import type { CapabilityOptions } from "./create_spec_options.ts";
import type { SpecCapabilities } from "./spec.ts";
import { ALL_CAPABILITIES } from "./_spec_defaults.ts";

function name(capability: string): string {
  const upper = capability.toUpperCase();
  const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (!ALL_CAPABILITIES.includes(full)) {
    throw new TypeError(
      `Cannot use the capability "${capability}": there is none of that name`,
    );
  }
  return full;
}

const isAll = (capability: string) => /^(CAP_)?ALL$/i.test(capability);

/** The sets of a process: inheritable stays empty but for what is ambient, see CVE-2022-24769. */
export function capabilitySets(
  defaults: readonly string[],
  options: CapabilityOptions,
): SpecCapabilities {
  const { addCapabilities: add = [], dropCapabilities: drop = [] } = options;
  const start = drop.some(isAll)
    ? []
    : options.capabilities?.map(name) ?? defaults;
  const held = new Set([
    ...start,
    ...add.some(isAll) ? allCapabilities() : add.map(name),
  ]);
  for (const capability of drop) {
    if (!isAll(capability)) held.delete(name(capability));
  }
  const list = ALL_CAPABILITIES.filter((capability) => held.has(capability));
  const ambient = (options.ambientCapabilities ?? []).map(name);
  for (const capability of ambient) {
    if (!held.has(capability)) {
      throw new TypeError(
        `Cannot make "${capability}" ambient: the process does not have it`,
      );
    }
  }
  return {
    bounding: list,
    effective: [...list],
    permitted: [...list],
    ...ambient.length > 0
      ? { inheritable: ambient, ambient: [...ambient] }
      : {},
  };
}
