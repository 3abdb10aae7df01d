import type { Runtime } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";
import type { RuntimeFeatures } from "./runtime_state.ts";
import type { Spec } from "./spec.ts";

interface Need {
  readonly what: string;
  wanted(spec: Spec): boolean;
  met(features: RuntimeFeatures): boolean | undefined;
}

/** Fields that runtimes which do not know them pass over: the container would be another than the one asked for. */
const NEEDS: readonly Need[] = [
  {
    what: "mounts with mapped ids",
    wanted: (spec) =>
      spec.mounts?.some(({ uidMappings, gidMappings }) =>
        uidMappings !== undefined || gidMappings !== undefined
      ) ?? false,
    met: ({ linux }) => linux?.mountExtensions?.idmap?.enabled,
  },
  {
    what: "moving interfaces in",
    wanted: (spec) => spec.linux?.netDevices !== undefined,
    met: ({ linux }) => linux?.netDevices?.enabled,
  },
  {
    what: "time namespaces",
    wanted: (spec) =>
      spec.linux?.namespaces?.some(({ type }) => type === "time") ?? false,
    met: ({ linux }) => linux?.namespaces?.includes("time"),
  },
];

/**
 * Asks the runtime for what it would pass over in silence.
 *
 * @throws {RuntimeError} If it does not say that it can (`NotSupported`).
 */
export async function requireFeatures(
  runtime: Runtime,
  spec: Spec,
  options: { readonly id: string; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const wanted = NEEDS.filter((need) => need.wanted(spec));
  if (wanted.length === 0) return;
  const features = await runtime.features(options) ?? {};
  for (const { what, met } of wanted) {
    if (met(features)) continue;
    throw new RuntimeError(`create container "${options.id}"`, {
      code: "NotSupported",
      runtime: runtime.options.command,
      args: ["features"],
      exitCode: null,
      detail:
        `the runtime "${runtime.options.command}" does not say that it supports ${what}`,
    });
  }
}
