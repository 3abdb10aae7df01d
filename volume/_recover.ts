import { isMountPoint } from "@containerkit/mount";
import { bootId } from "@containerkit/state";
import {
  isStaged,
  placeOf,
  type Store,
  unstage,
  whileStaging,
} from "./_stage.ts";
import { users } from "./_attachments.ts";
import { driverOf } from "./_drivers.ts";
import { finishFolders } from "./_folder_alone.ts";
import { currentProcess, isAlive } from "./_process.ts";
import { emptyFolder, settleFilling } from "./_populate.ts";
import { discard, removeFiles } from "./_remove.ts";
import { readRows, type Row } from "./_row.ts";
import { whileMounted } from "./_while_mounted.ts";

/** The rows that dead processes left in the middle of something; from here on they are this process's. */
function adopt({ state }: Store): Row[] {
  return state.transaction(() => {
    const orphans = readRows(state).filter(({ phase, owner }) =>
      phase !== "ready" && owner !== undefined && !isAlive(owner)
    );
    for (const { id } of orphans) {
      state.prepare("UPDATE volumes SET owner = ? WHERE id = ?")
        .run(JSON.stringify(currentProcess()), id);
    }
    return orphans;
  });
}

/** Unmounts what dead processes left mounted and nobody uses. */
async function unstageUnused(store: Store): Promise<void> {
  for (const row of readRows(store.state)) {
    const place = placeOf(store, row);
    const mayBeLeft = isStaged(place) &&
      driverOf(row.kind).staging === "attached" && isMountPoint(place.staged);
    if (!mayBeLeft) continue;
    driverOf(row.kind).settle?.(place);
    await whileStaging(place, undefined, async () => {
      if (users(store.state, row.id).length === 0) await unstage(place);
    });
  }
}

/** Undoes or finishes what dead processes left, and forgets what the last boot held in memory. */
export async function recover(store: Store): Promise<void> {
  const { state, root } = store;
  state.prepare(
    "UPDATE volumes SET populated = 0, boot = ? WHERE boot IS NOT NULL AND boot <> ?",
  ).run(bootId(), bootId());
  finishFolders(store);
  for (const row of adopt(store)) {
    if (row.phase === "filling") {
      await whileMounted(store, row, undefined, emptyFolder);
      settleFilling(store, row, false);
      continue;
    }
    await removeFiles(store, row);
    state.prepare("DELETE FROM attachments WHERE volume = ?").run(row.id);
    state.prepare("DELETE FROM volumes WHERE id = ?").run(row.id);
  }
  await unstageUnused(store);
  // Rows come before their folders and go after them, but for a power cut, which may take those that nobody waited for. Listed
  // first, a folder without a row is nobody's.
  const folders = [...Deno.readDirSync(`${root}/data`)].map(({ name }) => name);
  state.transaction<void>(() => {
    const known = new Set(readRows(state).map(({ id }) => String(id)));
    for (const name of folders) {
      if (!known.has(name)) discard(store, Number(name));
    }
  });
  for await (const { name } of Deno.readDir(`${root}/trash`)) {
    // Another process may be at it.
    await Deno.remove(`${root}/trash/${name}`, { recursive: true }).catch(
      (error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      },
    );
  }
}
