import type { Row } from "./_rows.ts";
import { removeSidecar } from "./_sidecar.ts";
import type { Store } from "./_store.ts";

/**
 * Makes an active snapshot what it was before a commit that failed or died, however far that came. Whoever calls it
 * excludes all others. Done again, it does nothing.
 */
export function takeBack(store: Store, row: Row): void {
  // First: a folder with it is taken for a layer where the records are lost.
  removeSidecar(store.folder(row.id).dir);
  store.driver.revert?.(store.place(row));
}
