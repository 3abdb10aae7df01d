import { syncDirectory } from "@containerkit/state";
import { placeOf, type Store } from "./_stage.ts";
import { readRows, type Row } from "./_row.ts";

/** As long as a folder has these bits its owner and mode were not set. */
const UNFINISHED = 0o700;

function prepareFolder(folder: string, { options }: Row): void {
  Deno.chownSync(folder, options.owner.uid, options.owner.gid);
  Deno.chmodSync(folder, options.mode);
}

/** Makes names durable on another thread. */
async function syncFolder(path: string): Promise<void> {
  using folder = Deno.openSync(path);
  await folder.sync();
}

/**
 * Makes an empty volume that is nothing but a folder, with one wait for the disk.
 *
 * All that there is to an empty folder is in its row, so whoever opens the store
 * after a power cut can make it again. Row and folder go to the disk at the same
 * time therefore, and the row says so: one without an owner is finished after a
 * crash, and not undone. The final row need not be on the disk then: it would be
 * written again.
 */
export async function makeFolderAlone(store: Store, row: Row): Promise<void> {
  const { folder } = placeOf(store, row);
  Deno.mkdirSync(folder, { mode: UNFINISHED });
  prepareFolder(folder, row);
  const folders = Promise.all([folder, `${store.root}/data`].map(syncFolder));
  try {
    store.state.transaction<void>(() => void setOwner(store, row, null));
  } finally {
    await folders;
  }
}

/**
 * Takes a volume back whose making would be finished after a crash, to undo it.
 *
 * @returns Whether it can be: not if somebody who opened the store has finished it.
 */
export function takeBack(store: Store, row: Row): boolean {
  return store.state.transaction(() =>
    setOwner(store, row, JSON.stringify(row.owner))
  );
}

function setOwner(
  { state }: Store,
  { id }: Row,
  owner: string | null,
): boolean {
  const { changes } = state.prepare(
    "UPDATE volumes SET owner = ? WHERE id = ? AND phase = 'creating'",
  ).run(owner, id);
  return changes > 0;
}

/** Finishes the making of volumes that a crash cut off behind the point where it would be undone. */
export function finishFolders(store: Store): void {
  const { state, root } = store;
  state.transaction<void>(() => {
    for (const row of readRows(state)) {
      if (row.phase !== "creating" || row.owner !== undefined) continue;
      const { folder } = placeOf(store, row);
      Deno.mkdirSync(folder, { mode: UNFINISHED, recursive: true });
      // Otherwise it has been used since.
      if (isUnfinished(folder)) prepareFolder(folder, row);
      syncDirectory(folder);
      syncDirectory(`${root}/data`);
      state.prepare("UPDATE volumes SET phase = 'ready' WHERE id = ?")
        .run(row.id);
    }
  });
}

function isUnfinished(folder: string): boolean {
  const { uid, gid, mode } = Deno.statSync(folder);
  return uid === 0 && gid === 0 && (mode! & 0o7777) === UNFINISHED &&
    [...Deno.readDirSync(folder)].length === 0;
}
