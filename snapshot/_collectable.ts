import { removeRow } from "./_remove.ts";
import type { Store } from "./_store.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { SnapshotCollectable } from "./snapshot_collectable.ts";

/** A store as garbage collection sees it. */
export function collectableOf(store: Store): SnapshotCollectable {
  const type = `snapshot/${store.driver.name}`;
  return {
    type,
    async *list() {
      for (const row of store.rows.all()) {
        // What a handle of this process is open for is none of the garbage either.
        const isRoot = row.root === 1 || store.holds(row.id) > 0;
        yield {
          id: row.key,
          ...(row.lease === null ? {} : { lease: row.lease }),
          ...(isRoot ? { root: true } : {}),
          labels: JSON.parse(row.labels) as Record<string, string>,
          created: new Date(row.updated),
        };
      }
    },
    async *references(id) {
      const parent = store.rows.find(id)?.parent_key;
      if (typeof parent === "string") yield { type, id: parent };
    },
    async remove(id) {
      const row = store.rows.find(id);
      // What a handle of this process is open for is no garbage. The lock tells other processes only.
      if (row === undefined || store.holds(row.id) > 0) return false;
      try {
        // It may have been kept since it was marked.
        await removeRow(store, row, { unlessRoot: true });
        return true;
      } catch (error) {
        // Kept, built upon, or in use, since it was marked: then it is no garbage.
        if (
          error instanceof SnapshotStateError ||
          error instanceof Deno.errors.Busy ||
          error instanceof Deno.errors.NotFound
        ) return false;
        throw error;
      }
    },
  };
}
