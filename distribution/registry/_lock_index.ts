import { delay } from "../_delay.ts";
import type { LockIndexOptions } from "./registry_index.ts";

const SHORTEST_PAUSE = 1;
const LONGEST_PAUSE = 50;

/** Waits for the lock of a file, and makes it if it is not there. It goes with the process that has it. */
async function lockFile(
  path: string,
  { exclusive = false, signal }: LockIndexOptions,
): Promise<Deno.FsFile> {
  signal?.throwIfAborted();
  const file = await Deno.open(path, {
    read: true,
    write: true,
    create: true,
    mode: 0o600,
  });
  try {
    for (let pause = SHORTEST_PAUSE; !file.tryLockSync(exclusive);) {
      await delay(pause * (0.5 + Math.random() / 2), signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Locks a folder for this process or others, which have it at once unless one wants to be alone. Whoever does shuts the door
 * (`.door`) behind those who have it: they could hand it on to one another for ever.
 */
export async function lockIndex(
  folder: string,
  options: LockIndexOptions = {},
): Promise<Disposable> {
  using _door = await lockFile(`${folder}/.door`, options);
  return await lockFile(`${folder}/.lock`, options);
}
