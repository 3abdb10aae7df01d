import { checkChildless } from "./_checks.ts";
import type { Row } from "./_rows.ts";
import type { Store } from "./_store.ts";

/**
 * Removes a snapshot: its name is free when the transaction ends, its files go
 * after that. A crash in between leaves them in the trash.
 */
export async function removeRow(store: Store, row: Row): Promise<void> {
  checkChildless(store, row);
  const held = store.holds(row.id);
  using lock = store.exclude("remove", row);
  let trash: string | undefined;
  try {
    store.state.transaction(() => {
      checkChildless(store, row);
      store.rows.remove(row.id);
      trash = store.moveToTrash(row.id);
    });
  } catch (error) {
    if (trash !== undefined) store.moveBack(row.id, trash);
    lock?.close();
    if (held) store.hold(row.id);
    throw error;
  }
  if (trash === undefined) return;
  try {
    await store.driver.destroy(trash);
  } catch {
    // The snapshot is removed; what is left in the trash is for the next cleanup, which says why it cannot go.
  }
}
