import { users } from "./_attachments.ts";
import { listVolumes } from "./_list.ts";
import { findRow } from "./_row.ts";
import type { Store } from "./_stage.ts";
import type { VolumeCollectable } from "./volume_collectable.ts";

async function* listItems(
  { state }: Store,
): ReturnType<VolumeCollectable["list"]> {
  for (const { name, lease, labels, created } of listVolumes(state)) {
    const row = findRow(state, name);
    const item = { id: name, labels, created };
    // What is attached is kept, and what it shows, whatever became of its lease.
    const isUsed = row !== undefined && users(state, row.id).length > 0;
    yield lease === undefined || isUsed
      ? { ...item, root: true }
      : { ...item, lease };
  }
}

async function* references(
  { state }: Store,
  name: string,
): ReturnType<VolumeCollectable["references"]> {
  const snapshot = findRow(state, name)?.options.snapshot;
  if (snapshot !== undefined) yield snapshot;
}

/** The part of a store in garbage collection; `remove` leaves what is used. */
export function collectableOf(
  store: Store,
  remove: VolumeCollectable["remove"],
): VolumeCollectable {
  return {
    type: "volume",
    list: () => listItems(store),
    references: (name) => references(store, name),
    remove,
  };
}
