import type { LayerReader } from "@containerkit/tar/layer";
import type { Place } from "./_driver.ts";
import type { DiffOptions } from "./snapshotter.ts";

/** Reads what a snapshot has in its own folder as a layer. */
export function changesOf(place: Place, _options: DiffOptions): LayerReader {
  throw new Deno.errors.NotSupported(
    `Cannot diff snapshot "${place.key}": reading changes is not there yet`,
  );
}
