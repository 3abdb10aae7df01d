import {
  isStaged,
  placeOf,
  type Store,
  unstage,
  whileStaging,
} from "./_stage.ts";
import { describeUsers, forgetAll, users } from "./_attachments.ts";
import { driverOf } from "./_drivers.ts";
import { isEmpty, removeFolder } from "./_empty_folder.ts";
import { removeLocks } from "./_lock_volume.ts";
import { checkNoneMountedIn } from "./_mounted_in.ts";
import { currentProcess, isAlive } from "./_process.ts";
import { findRow, requireRow, type Row } from "./_row.ts";
import { isFilling } from "./_unfinished.ts";

/** Removes what a volume has on disk and in memory, however much of it is there. */
export async function removeFiles(
  store: Store,
  row: Row,
  signal?: AbortSignal,
): Promise<void> {
  const place = placeOf(store, row);
  if (isStaged(place)) {
    await whileStaging(place, signal, () => unstage(place));
  }
  const { remove } = driverOf(row.kind);
  if (remove !== undefined && exists(place.folder)) await remove(place);
  if (removeEmpty(place.folder)) return;
  const trash = discard(store, row.id);
  if (trash !== undefined) await removeFolder(trash, signal);
}

/** Removes a folder if nothing is in it: at once, without another thread. */
function removeEmpty(folder: string): boolean {
  try {
    Deno.removeSync(folder);
    return true;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Puts the folder of a volume into the trash, if it is there: it is out of the
 * way at once, and what a crash leaves in the trash the next open removes.
 *
 * @returns Where it is there; `undefined` if there was none.
 */
export function discard(store: Store, id: number): string | undefined {
  const trash = `${store.root}/trash/${id}-${crypto.randomUUID()}`;
  try {
    Deno.renameSync(`${store.root}/data/${id}`, trash);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return trash;
}

/** Whether it is what a making or removal left that nobody is at any more: nothing but removing it is to be done. */
export function isLeft({ phase, owner }: Row): boolean {
  // A removal that nobody is at failed; in another phase that says something else.
  return owner === undefined
    ? phase === "removing"
    : (phase === "creating" || phase === "removing") && !isAlive(owner);
}

/** The row of a volume that is to go, or of what is left of one. */
function requireRemovable({ state }: Store, name: string): Row {
  const row = findRow(state, name);
  return row !== undefined && isLeft(row)
    ? row
    : requireRow(state, name, "remove");
}

/** Removes a volume; see `VolumeStore.remove`. */
export async function removeVolume(
  store: Store,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const { state } = store;
  signal?.throwIfAborted();
  const note = (): Row => {
    const found = requireRemovable(store, name);
    if (isFilling(store, found)) {
      throw new Deno.errors.Busy(
        `Cannot remove volume "${name}": it is being filled`,
      );
    }
    const held = users(state, found.id);
    if (held.length > 0) {
      throw new Deno.errors.Busy(
        `Cannot remove volume "${name}": it is used by ${describeUsers(held)}`,
      );
    }
    const { folder } = placeOf(store, found);
    if (exists(folder) && !isEmpty(folder)) {
      checkNoneMountedIn(`remove volume "${name}"`, folder);
    }
    forgetAll(state, found.id);
    state.prepare(
      "UPDATE volumes SET phase = 'removing', owner = ? WHERE id = ?",
    ).run(JSON.stringify(currentProcess()), found.id);
    return found;
  };
  const row = state.makeRoom(() => state.transaction(note));
  try {
    await removeFiles(store, row, signal);
    removeLocks(store, row.id);
  } catch (error) {
    // Whoever removes it again or opens the store goes on with it, this process too.
    state.prepare("UPDATE volumes SET owner = NULL WHERE id = ?").run(row.id);
    throw error;
  }
  // After a power cut that takes this away there is nothing left to remove.
  state.transaction<void>(() => {
    state.prepare("DELETE FROM volumes WHERE id = ?").run(row.id);
  }, { durable: false });
}
