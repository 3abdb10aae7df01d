import { isStaged, placeOf, type Store } from "./_stage.ts";
import { driverOf } from "./_drivers.ts";
import { requireRow } from "./_row.ts";
import type { VolumeUsage } from "./volume_info.ts";
import { walkUsage } from "./_walk_usage.ts";
import { whileHeld } from "./_while_held.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Counts what a volume holds; see `VolumeStore.usage`. */
export async function volumeUsage(
  store: Store,
  name: string,
  signal: AbortSignal | undefined,
): Promise<VolumeUsage> {
  const row = requireRow(store.state, name, "count");
  const place = placeOf(store, row);
  const { usage } = driverOf(row.kind);
  const counted = usage === undefined
    ? undefined
    : await whileMounted(store, row, signal, () => usage(place));
  if (counted !== undefined) return counted;
  const visit = isStaged(place) ? whileHeld : whileMounted;
  return await visit(store, row, signal, (root) => walkUsage(root, signal));
}
