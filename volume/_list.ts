import type { State } from "@containerkit/state";
import { readRows, toInfo } from "./_row.ts";
import type { VolumeFilter } from "./volume_call_options.ts";
import type { VolumeInfo } from "./volume_info.ts";

/** Lists volumes by name, all or those that the filter chooses. */
export function listVolumes(
  state: State,
  filter: VolumeFilter = {},
): VolumeInfo[] {
  const { kind, labels = {} } = filter;
  return readRows(state)
    .filter(({ phase }) => phase === "ready" || phase === "filling")
    .filter((row) => kind === undefined || row.kind === kind)
    .filter((row) =>
      Object.entries(labels).every(([key, value]) =>
        Object.hasOwn(row.labels, key) && row.labels[key] === value
      )
    )
    .map(toInfo);
}
