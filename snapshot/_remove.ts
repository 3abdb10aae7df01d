import { checkChildless } from "./_checks.ts";
import type { Row } from "./_rows.ts";
import type { Store } from "./_store.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";

/** What SQLite says when it cannot write for want of room. */
const FULL_REGEXP = /disk is full|disk I\/O error/;

/** Refuses what was kept: that is written down before its lock goes. */
function checkNoRoot(store: Store, row: Row): void {
  if (store.rows.get(row.id)?.root !== 1) return;
  throw new SnapshotStateError("remove", row.key, "it is kept");
}

/**
 * Removes a snapshot: its name is free when this returns, its files go while
 * others go on. A crash in between leaves them in the trash.
 */
export async function removeRow(
  store: Store,
  row: Row,
  options: { readonly unlessRoot?: boolean } = {},
): Promise<void> {
  checkChildless(store, row);
  const held = store.holds(row.id);
  const lock = store.exclude("remove", row);
  let trash: string | undefined;
  const change = () => {
    store.confirm("remove", row);
    if (options.unlessRoot === true) checkNoRoot(store, row);
    checkChildless(store, row);
    store.rows.remove(row.id);
    trash = store.moveToTrash(row.id);
  };
  const forget = () => {
    try {
      if (row.kind === "committed") store.state.transaction<void>(change);
      else store.quickly<void>(change);
    } catch (error) {
      if (trash !== undefined) store.moveBack(row.id, trash);
      trash = undefined;
      throw error;
    }
  };
  try {
    try {
      store.state.makeRoom<void>(forget);
    } catch (error) {
      // What was set aside for the record may be used up: what nobody keeps makes room then.
      if (row.kind === "committed" || !FULL_REGEXP.test(String(error))) {
        throw error;
      }
      await store.driver.destroy(store.folder(row.id).dir);
      await store.drain();
      forget();
    }
  } catch (error) {
    lock?.close();
    store.hold(row.id, held);
    throw error;
  }
  if (trash === undefined) lock?.close();
  else await store.destroySoon(trash, lock);
}
