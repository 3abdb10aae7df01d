import type { State, Synchronous } from "@containerkit/state";

/**
 * Runs a transaction whose loss by a power cut does no harm: attachments end
 * with the boot, and removals are done again. Saves waiting for the disk.
 */
export function lightly<T>(state: State, fn: () => Synchronous<T>): T {
  state.database.exec("PRAGMA synchronous = NORMAL");
  try {
    return state.transaction(fn);
  } finally {
    state.database.exec("PRAGMA synchronous = FULL");
  }
}
