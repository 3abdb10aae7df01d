import {
  isStaged,
  placeOf,
  type Store,
  unstage,
  whileStaging,
} from "./_stage.ts";
import { describeUsers, users } from "./_attachments.ts";
import { driverOf } from "./_drivers.ts";
import { lightly } from "./_lightly.ts";
import { currentProcess } from "./_process.ts";
import { requireRow, type Row } from "./_row.ts";

/** Removes what a volume has on disk and in memory, however much of it is there. */
export async function removeFiles(store: Store, row: Row): Promise<void> {
  const place = placeOf(store, row);
  if (isStaged(place)) {
    await whileStaging(place, undefined, () => unstage(place));
  }
  try {
    await Deno.stat(place.folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await driverOf(row.kind).remove?.(place);
  // In the trash the folder is out of the way at once; what a crash leaves there the next open removes.
  const trash = `${store.root}/trash/${row.id}-${crypto.randomUUID()}`;
  await Deno.rename(place.folder, trash);
  await Deno.remove(trash, { recursive: true });
}

/** Removes a volume; see `VolumeStore.remove`. */
export async function removeVolume(store: Store, name: string): Promise<void> {
  const { state } = store;
  const row = state.transaction(() => {
    const found = requireRow(state, name, "remove");
    if (found.phase === "filling") {
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
    state.prepare(
      "UPDATE volumes SET phase = 'removing', owner = ? WHERE id = ?",
    ).run(JSON.stringify(currentProcess()), found.id);
    return found;
  });
  await removeFiles(store, row);
  lightly<void>(state, () => {
    state.prepare("DELETE FROM volumes WHERE id = ?").run(row.id);
  });
  for (const suffix of ["", ".fill"]) {
    try {
      Deno.removeSync(`${store.root}/locks/${row.id}${suffix}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
