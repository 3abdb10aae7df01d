import { placeOf, type Store } from "./_stage.ts";
import { driverOf } from "./_drivers.ts";
import { requireRow } from "./_row.ts";
import type { VolumeUsage } from "./volume_info.ts";
import { walkUsage } from "./_walk_usage.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Counts what a volume holds; see `VolumeStore.usage`. */
export function volumeUsage(
  store: Store,
  name: string,
  signal: AbortSignal | undefined,
): Promise<VolumeUsage> {
  const row = requireRow(store.state, name, "count");
  return whileMounted(
    store,
    row,
    signal,
    async (root) =>
      await driverOf(row.kind).usage(placeOf(store, row)) ??
        await walkUsage(root, signal),
  );
}
