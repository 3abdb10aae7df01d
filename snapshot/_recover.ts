import type { Fd } from "@containerkit/libc";
import { bootId } from "@containerkit/state";
import { exists } from "./_folders.ts";
import type { Row } from "./_rows.ts";
import { tryHold } from "./_hold.ts";
import { isNotFound, type Store } from "./_store.ts";
import { takeBack } from "./_take_back.ts";

/** A folder in the trash, locked by us. */
interface Condemned {
  readonly dir: string;
  readonly lock: Fd | undefined;
}

/** Takes a lock; `"gone"` if there is nothing to lock, `undefined` if somebody is at work there. */
function tryExclude(dir: string): Fd | "gone" | undefined {
  try {
    return tryHold(dir, "exclusive");
  } catch (error) {
    // Another process may remove what is in the trash at any moment.
    if (isNotFound(error)) return "gone";
    throw error;
  }
}

function settle(store: Store, row: Row): Condemned | undefined {
  if (store.holds(row.id) > 0) return;
  const { dir } = store.folder(row.id);
  const lock = tryExclude(dir);
  if (lock === undefined) return;
  const dead = row.creating === 1 || row.transient === 1 || lock === "gone";
  if (!dead) {
    // Of an earlier boot: what was never written back may be anything by now.
    const place = store.place(row);
    const isLost = place.options.volatile === true && row.boot_id !== bootId();
    if (!isLost && store.driver.check(place) === undefined) {
      using _lock = lock;
      takeBack(store, row);
      store.rows.settle(row.id, bootId());
      return;
    }
  }
  store.rows.remove(row.id);
  const trash = store.moveToTrash(row.id);
  if (trash === undefined) return;
  return { dir: trash, lock: lock === "gone" ? undefined : lock };
}

/**
 * A layer that was moved to the trash by a transaction that did not end goes back. Anything else is condemned: what was
 * not committed may have lost some of its files already, and the record of its removal with a power cut.
 */
function sift(store: Store, name: string): Condemned | undefined {
  const trash = `${store.root}/trash/${name}`;
  const lock = tryExclude(trash);
  if (lock === undefined || lock === "gone") return;
  const id = Number(name.split(".")[0]);
  const row = Number.isSafeInteger(id) ? store.rows.get(id) : undefined;
  if (row === undefined || exists(store.folder(id).dir)) {
    return { dir: trash, lock };
  }
  if (row.kind === "committed") {
    store.moveBack(id, trash);
    lock.close();
    return;
  }
  store.rows.remove(id);
  return { dir: trash, lock };
}

/** Folders that a transaction made whose record was never written, or was lost in a power cut: their numbers come next. */
function unborn(store: Store): number[] {
  const ids: number[] = [];
  for (let id = store.rows.last() + 1; exists(store.folder(id).dir); id++) {
    ids.push(id);
  }
  return ids;
}

/**
 * Finishes or undoes what processes that are dead, or an earlier boot, left.
 * Reads nothing but the trash, which is empty as a rule, one index, and whether there is a folder too much.
 *
 * @returns Why folders could not be removed; they stay in the trash for the next time.
 */
export async function recover(store: Store): Promise<unknown[]> {
  const trash = () =>
    [...Deno.readDirSync(`${store.root}/trash`)].map(({ name }) => name);
  const idle = () =>
    trash().length === 0 && unborn(store).length === 0 &&
    store.rows.unsettled(bootId()).every(({ id }) => store.holds(id) > 0);
  if (idle()) return [];
  const failures: unknown[] = [];
  const condemned: Condemned[] = [];
  try {
    store.state.transaction(() => {
      const unfinished = [
        ...unborn(store),
        ...store.rows.unsettled(bootId()).map(({ id }) => id),
      ];
      for (const id of unfinished) store.checkAge(id);
      for (const name of trash()) {
        const found = sift(store, name);
        if (found !== undefined) condemned.push(found);
      }
      for (const id of unborn(store)) {
        const dir = store.moveToTrash(id);
        if (dir !== undefined) condemned.push({ dir, lock: undefined });
      }
      for (const row of store.rows.unsettled(bootId())) {
        const found = settle(store, row);
        if (found !== undefined) condemned.push(found);
      }
    });
    for (const { dir } of condemned) {
      try {
        await store.driver.destroy(dir);
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  } finally {
    for (const { lock } of condemned) lock?.close();
  }
}
