import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
import { lockFile } from "@containerkit/state";
import type { Store } from "./_stage.ts";
import { describeUsers, users } from "./_attachments.ts";
import { currentProcess } from "./_process.ts";
import { requireRow, type Row } from "./_row.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Fills the root of a volume. */
export type Fill = (
  root: string,
  options: { signal?: AbortSignal },
) => Promise<unknown>;

/** Empties a folder, but keeps it. */
export async function emptyFolder(root: string): Promise<void> {
  for await (const { name } of Deno.readDir(root)) {
    await Deno.remove(`${root}/${name}`, { recursive: true });
  }
}

async function isEmpty(root: string): Promise<boolean> {
  for await (const _ of Deno.readDir(root)) return false;
  return true;
}

function begin({ state }: Store, name: string): Row | undefined {
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
    state.prepare(
      "UPDATE volumes SET phase = 'filling', owner = ? WHERE id = ?",
    ).run(JSON.stringify(currentProcess()), row.id);
    return row;
  });
}

/** Ends the filling of a volume. */
export function settleFilling(
  { state }: Store,
  row: Row,
  populated: boolean,
): void {
  state.prepare(
    "UPDATE volumes SET phase = 'ready', owner = NULL, populated = ? WHERE id = ?",
  ).run(populated ? 1 : 0, row.id);
}

/** Fills a volume if nobody has; see `VolumeStore.populate`. */
export async function populate(
  store: Store,
  name: string,
  fill: Fill,
  options: { signal?: AbortSignal },
): Promise<boolean> {
  const { signal } = options;
  const { id } = requireRow(store.state, name, "populate");
  // Whoever comes second waits here, and then finds the volume filled.
  using _lock = await lockFile(`${store.root}/locks/${id}.fill`, options);
  const row = begin(store, name);
  if (row === undefined) return false;
  let populated = false;
  try {
    return await whileMounted(store, row, signal, async (root) => {
      if (!await isEmpty(root)) {
        populated = true;
        return false;
      }
      try {
        await fill(root, options);
        signal?.throwIfAborted();
        using folder = openAt(undefined, root, OpenFlag.DIRECTORY);
        await syncFs(folder);
        populated = true;
        return true;
      } catch (error) {
        await emptyFolder(root);
        throw error;
      }
    });
  } finally {
    settleFilling(store, row, populated);
  }
}
