/** Opening what is there already. */
import { checkMountable } from "./_checks.ts";
import type { Made } from "./_make.ts";
import { recover } from "./_recover.ts";
import { type Row, SEALING } from "./_rows.ts";
import { isNotFound, type Store } from "./_store.ts";
import type { Snapshot } from "./snapshot.ts";

function changing(row: Row): Error {
  return new Deno.errors.Busy(
    `Cannot open snapshot "${row.key}": another process changes it`,
  );
}

/** The row of what can be mounted. What a commit that died left is taken back first. */
export async function mountableRow(
  store: Store,
  action: string,
  key: string,
): Promise<Row> {
  const isCut = store.require(action, key).creating === SEALING;
  if (isCut) await recover(store);
  const row = store.require(action, key);
  checkMountable(action, row);
  return row;
}

function hold(store: Store, row: Row): void {
  try {
    if (store.hold(row.id)) return;
  } catch (error) {
    throw isNotFound(error) ? store.lost("open", row) : error;
  }
  throw changing(row);
}

/** The process that was committing it may have died just before it was locked. */
function checkWhole(store: Store, { id }: Row): void {
  const row = store.rows.get(id);
  const isFirst = store.holds(id) === 1;
  if (row?.creating === SEALING && isFirst) throw changing(row);
}

/** Holds a snapshot that can be mounted, unless its handle cannot be made. */
export async function openSnapshot(
  store: Store,
  key: string,
  toHandle: (made: Made) => Snapshot,
): Promise<Snapshot> {
  const row = await mountableRow(store, "open", key);
  hold(store, row);
  try {
    store.confirm("open", row);
    checkWhole(store, row);
    const place = store.place(row);
    store.driver.reopen?.(place);
    return toHandle({ row, place });
  } catch (error) {
    store.release(row.id);
    throw error;
  }
}
