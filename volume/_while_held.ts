import { release } from "./_attach.ts";
import { ENDS_WITH_BOOT, insertAttachment } from "./_attachments.ts";
import { requireRow, type Row } from "./_row.ts";
import type { Store } from "./_stage.ts";
import { whileMounted } from "./_while_mounted.ts";

/**
 * Calls a function with the root of a volume, which is in use meanwhile: what takes long must not keep those waiting who
 * attach and detach it.
 */
export async function whileHeld<T>(
  store: Store,
  row: Row,
  signal: AbortSignal | undefined,
  fn: (root: string) => Promise<T>,
): Promise<T> {
  const { state } = store;
  const use = crypto.randomUUID();
  const root = await whileMounted(store, row, signal, (root) => {
    state.transaction<void>(() => {
      insertAttachment(state, use, requireRow(state, row.name, "use").id);
    }, ENDS_WITH_BOOT);
    return Promise.resolve(root);
  });
  try {
    return await fn(root);
  } finally {
    await release(store, use);
  }
}
