import { type FileLock, tryLockFile } from "@containerkit/state";
import type { Runtime } from "./runtime.ts";

/**
 * Keeps others, of whatever state folder, from making a container of an id in
 * the folder of a runtime. No runtime is sure to refuse the second of two that
 * come at once, and each removes there what the other has begun.
 *
 * It is a file with a dot in front, which no id has; one that a killed program
 * leaves is free, and no runtime takes it for a container.
 *
 * @returns The lock; `undefined` if another holds it.
 */
export function tryLockId(
  { options: { root } }: Runtime,
  id: string,
): Disposable | undefined {
  Deno.mkdirSync(root, { recursive: true, mode: 0o700 });
  const lock = tryLockFile(`${root}/.${id}.lock`);
  return lock && { [Symbol.dispose]: () => remove(lock) };
}

/** While it is held: whoever has it open by then begins again. */
function remove(lock: FileLock): void {
  using _ = lock;
  try {
    Deno.removeSync(lock.path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
