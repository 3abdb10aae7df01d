import { tryLockFile } from "@containerkit/state";
import { emptyFolder } from "./_empty_folder.ts";
import { lockPath } from "./_lock_volume.ts";
import { findRow, type Row } from "./_row.ts";
import type { Store } from "./_stage.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Ends the filling of a volume. */
export function settleFilling(
  { state }: Store,
  row: Row,
  populated: boolean,
): void {
  state.prepare(
    "UPDATE volumes SET phase = 'ready', owner = NULL, populated = ? WHERE id = ?",
  ).run(populated ? 1 : 0, row.id);
}

/** Whether a process that lives fills it. In a transaction nobody else begins to: that takes the row too. */
export function isFilling(store: Store, { id, phase }: Row): boolean {
  if (phase !== "filling") return false;
  using lock = tryLockFile(lockPath(store, id, ".fill"));
  return lock === undefined;
}

/** Empties a volume that a process which is dead was filling; nothing happens to others. */
export async function emptyUnfinished(
  store: Store,
  { id, name, phase }: Row,
): Promise<void> {
  if (phase !== "filling") return;
  using lock = tryLockFile(lockPath(store, id, ".fill"));
  if (lock === undefined) return;
  // Who had the lock before may have filled or removed it.
  const row = findRow(store.state, name);
  if (row?.id !== id || row.phase !== "filling") return;
  await whileMounted(store, row, undefined, emptyFolder);
  settleFilling(store, row, false);
}
