import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
import type { Store } from "./_stage.ts";
import { release } from "./_attach.ts";
import { describeUsers, insertAttachment, users } from "./_attachments.ts";
import { emptyFolder, isEmpty } from "./_empty_folder.ts";
import { lockVolume } from "./_lock_volume.ts";
import { currentProcess } from "./_process.ts";
import { requireRow, type Row } from "./_row.ts";
import { settleFilling } from "./_unfinished.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Fills the root of a volume. */
export type Fill = (
  root: string,
  options: { signal?: AbortSignal },
) => Promise<unknown>;

/** The row of a volume that nobody has filled or uses. */
function findFillable({ state }: Store, name: string): Row | undefined {
  return state.transaction(() => {
    const row = requireRow(state, name, "populate");
    if (row.populated) return undefined;
    if (row.kind === "view" || row.options.readonly) {
      throw new TypeError(
        `Cannot populate volume "${name}": it is read-only`,
      );
    }
    const held = users(state, row.id);
    if (held.length > 0) {
      throw new Deno.errors.Busy(
        `Cannot populate volume "${name}": it is used by ${
          describeUsers(held)
        }`,
      );
    }
    return row;
  });
}

/** A filling under way: what it fills, and its use of the volume, which keeps that mounted. */
interface Filling {
  readonly root: string;
  readonly use: string;
}

/**
 * Notes that a volume is being filled, if it is empty: what is in it from then on may be removed, also by whoever finds
 * that this process has died. One of which that is noted already is such a one: only one process at a time fills it.
 */
function begin(
  store: Store,
  name: string,
  root: string,
): Filling | undefined {
  const { state } = store;
  return state.transaction(() => {
    const row = findFillable(store, name);
    if (row === undefined) return undefined;
    if (row.phase === "filling" || isEmpty(root)) {
      state.prepare(
        "UPDATE volumes SET phase = 'filling', owner = ? WHERE id = ?",
      ).run(JSON.stringify(currentProcess()), row.id);
      const use = crypto.randomUUID();
      insertAttachment(state, use, row.id);
      return { root, use };
    }
    state.prepare("UPDATE volumes SET populated = 1 WHERE id = ?").run(row.id);
    return undefined;
  });
}

/** Fills a volume if nobody has; see `VolumeStore.populate`. */
export async function populate(
  store: Store,
  name: string,
  fill: Fill,
  options: { signal?: AbortSignal },
): Promise<boolean> {
  const { signal } = options;
  // Whoever comes second waits here, and then finds the volume filled.
  using _lock = await lockVolume(store, name, {
    ...options,
    suffix: ".fill",
    action: "populate",
  });
  const row = findFillable(store, name);
  if (row === undefined) return false;
  // Not filled while the mounting is locked: others would wait as long instead of being told.
  const filling = await whileMounted(
    store,
    row,
    signal,
    (root) => Promise.resolve(begin(store, name, root)),
  );
  if (filling === undefined) return false;
  const { root, use } = filling;
  try {
    await emptyFolder(root);
    await fill(root, options);
    signal?.throwIfAborted();
    using folder = openAt(undefined, root, OpenFlag.DIRECTORY);
    await syncFs(folder);
    settleFilling(store, row, true);
  } catch (error) {
    try {
      await emptyFolder(root);
      settleFilling(store, row, false);
    } catch (second) {
      // It stays unfinished: the next one empties it.
      throw new AggregateError(
        [error, second],
        `Cannot empty volume "${name}" after filling it failed: ${
          second instanceof Error ? second.message : second
        }`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    await release(store, use);
  }
  return true;
}
