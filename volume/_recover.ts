import { isMountPoint } from "@containerkit/mount";
import { bootId } from "@containerkit/state";
import {
  isStaged,
  placeOf,
  type Store,
  unlessStaging,
  unstage,
} from "./_stage.ts";
import { forgetAll, forgetEnded, users } from "./_attachments.ts";
import { driverOf } from "./_drivers.ts";
import { removeFolder } from "./_empty_folder.ts";
import { finishFolders } from "./_folder_alone.ts";
import { removeLocks } from "./_lock_volume.ts";
import { currentProcess } from "./_process.ts";
import { discard, isLeft, removeFiles } from "./_remove.ts";
import { finishResize } from "./_resize.ts";
import { readRows, type Row } from "./_row.ts";
import { emptyUnfinished } from "./_unfinished.ts";

/** The rows that dead processes left in the midst of making or removing; from here on they are this process's. */
function adopt({ state }: Store): Row[] {
  return state.transaction(() => {
    const orphans = readRows(state).filter(isLeft);
    for (const { id } of orphans) {
      state.prepare("UPDATE volumes SET owner = ? WHERE id = ?")
        .run(JSON.stringify(currentProcess()), id);
    }
    return orphans;
  });
}

/** Leaves a row to whoever opens the store next. */
function giveBack({ state }: Store, { id, owner }: Row): void {
  state.prepare("UPDATE volumes SET owner = ? WHERE id = ?")
    .run(owner === undefined ? null : JSON.stringify(owner), id);
}

/** Undoes or finishes what a dead process was at. */
async function settle(store: Store, row: Row): Promise<void> {
  const { state } = store;
  await removeFiles(store, row);
  forgetAll(state, row.id);
  removeLocks(store, row.id);
  state.prepare("DELETE FROM volumes WHERE id = ?").run(row.id);
}

/** Unmounts what dead processes left mounted and nobody uses. */
async function unstageUnused(store: Store): Promise<void> {
  for (const row of readRows(store.state)) {
    const place = placeOf(store, row);
    const mayBeLeft = isStaged(place) &&
      driverOf(row.kind).staging === "attached" && isMountPoint(place.staged);
    if (!mayBeLeft) continue;
    await attempt(() => {
      driverOf(row.kind).settle?.(place);
      // Who is at it unmounts it afterwards.
      return unlessStaging(place, async () => {
        if (users(store.state, row.id).length === 0) await unstage(place);
      });
    });
  }
}

/** Goes on without what does not succeed: one volume must not keep the others from everybody. The next open tries again. */
async function attempt(
  fn: () => Promise<void>,
  onFailure: () => void = () => {},
): Promise<void> {
  try {
    await fn();
  } catch {
    onFailure();
  }
}

/** Undoes or finishes what dead processes left, as far as that can be, and forgets what the last boot held in memory. */
export async function recover(store: Store): Promise<void> {
  const { state, root } = store;
  state.prepare(
    "UPDATE volumes SET populated = 0, boot = ? WHERE boot IS NOT NULL AND boot <> ?",
  ).run(bootId(), bootId());
  finishFolders(store);
  for (const row of adopt(store)) {
    await attempt(() => settle(store, row), () => giveBack(store, row));
  }
  for (const row of readRows(state)) {
    await attempt(() => emptyUnfinished(store, row));
    await attempt(() => finishResize(store, row));
  }
  await unstageUnused(store);
  await attempt(() => Promise.resolve(forgetEnded(state)));
  // Rows come before their folders and go after them, but for a power cut, which may take those that nobody waited for. Listed
  // first, a folder without a row is nobody's.
  const folders = [...Deno.readDirSync(`${root}/data`)].map(({ name }) => name);
  state.transaction<void>(() => {
    const known = new Set(readRows(state).map(({ id }) => String(id)));
    for (const name of folders) {
      if (known.has(name)) continue;
      try {
        discard(store, Number(name));
      } catch {
        // The next open tries again.
      }
    }
  });
  for await (const { name } of Deno.readDir(`${root}/trash`)) {
    // Another process may be at it.
    await attempt(() => removeFolder(`${root}/trash/${name}`));
  }
}
