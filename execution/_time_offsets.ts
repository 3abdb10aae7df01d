import type { RuntimeFlavor } from "./runtime.ts";
import type { Spec } from "./spec.ts";

/** crun's own way, before it knew of the field. */
const ANNOTATION = "run.oci.timens_offset";

/** Says the offsets of the clocks also in the way that an older crun understands; newer ones take both for the same. */
export function withTimeOffsets(spec: Spec, flavor: RuntimeFlavor): Spec {
  const offsets = spec.linux?.timeOffsets;
  if (flavor !== "crun" || offsets === undefined) return spec;
  const lines = Object.entries(offsets).map(([clock, { secs, nanosecs }]) =>
    `${clock} ${secs ?? 0} ${nanosecs ?? 0}\n`
  );
  return {
    ...spec,
    annotations: { [ANNOTATION]: lines.join(""), ...spec.annotations },
  };
}
