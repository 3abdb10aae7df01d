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
 * What runtimes can that are too old to have the verb. A crun that is fails to
 * make a time and a pid namespace together, and kills a process of the host.
 */
function untold({ options }: Runtime, spec: Spec): RuntimeFeatures {
  const newPids = spec.linux?.namespaces?.some(({ type, path }) =>
    type === "pid" && path === undefined
  );
  return options.flavor === "crun" && !newPids
    ? { linux: { namespaces: ["time"] } }
    : {};
}

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
  const features = await runtime.features(options) ?? untold(runtime, spec);
  for (const { what, met } of wanted) {
    if (met(features)) continue;
    throw new RuntimeError(`create container "${options.id}"`, {
      code: "NotSupported",
      runtime: runtime.options.command,
      args: ["features"],
      detail:
        `the runtime "${runtime.options.command}" does not say that it supports ${what}`,
    });
  }
}
