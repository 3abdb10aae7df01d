import { type FileLock, lockFile } from "@containerkit/state";
import { type Bundle, type ProcessIdentity, readRecord } from "./_bundle.ts";

/**
 * Waits until nobody else makes or removes a container, and keeps others from it.
 *
 * @param one The container that is meant: its id may be another's by now.
 * @returns The lock; `undefined` if that container has gone.
 */
export async function lockBundle(
  bundle: Bundle,
  one: ProcessIdentity,
  signal?: AbortSignal,
): Promise<FileLock | undefined> {
  let lock: FileLock;
  try {
    lock = await lockFile(bundle.lock, {
      create: false,
      ...signal === undefined ? {} : { signal },
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  using undo = new DisposableStack();
  undo.use(lock);
  const record = readRecord(bundle);
  // Without a record, a program was killed that was removing it.
  const isIt = record === undefined ||
    record.pid === one.pid && record.startTime === one.startTime;
  if (!isIt) return undefined;
  undo.move();
  return lock;
}
