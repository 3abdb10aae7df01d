import type { LayerReader } from "@containerkit/tar/layer";
import type { Place } from "./_driver.ts";
import { diffLayers } from "./diff_layers.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import { diffUpper } from "./diff_upper.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";

/**
 * Reads what a snapshot has in its upper folder as a layer.
 *
 * @param lower The folders of the layers below, where they are plain ones.
 */
export function changesOf(
  place: Place,
  options: DiffLayersOptions,
  lower?: readonly string[],
): LayerReader {
  if (place.kind === "view") {
    throw new SnapshotStateError("diff", place.key, "it is a view");
  }
  const { idmap } = place.options;
  const content = `${place.dir}/fs`;
  return place.parents.length === 0
    ? diffLayers(undefined, content, options)
    : diffUpper(content, {
      ...options,
      ...(lower && { lower }),
      // What is written through an overlay bears the ids that its map shows.
      ...(idmap && { idmap }),
    });
}
