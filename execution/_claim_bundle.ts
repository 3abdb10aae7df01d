import { dirname } from "@std/path/posix/dirname";
import { type FileLock, lockFile, tryLockFile } from "@containerkit/state";
import type { Bundle } from "./_bundle.ts";
import { RuntimeError } from "./runtime_error.ts";

/**
 * Claims an id: whoever makes the folder has it.
 *
 * @returns The lock of the folder. Whoever cleans up after crashes leaves alone what is locked.
 * @throws {RuntimeError} If there is a container of that id (`AlreadyExists`).
 */
export async function claimBundle(
  bundle: Bundle,
  signal: AbortSignal | undefined,
): Promise<FileLock> {
  Deno.mkdirSync(dirname(bundle.path), { recursive: true, mode: 0o700 });
  for (;;) {
    makeFolder(bundle);
    try {
      const lock = tryLockFile(bundle.lock);
      if (lock !== undefined) return lock;
      // Somebody saw the folder before it was locked, and takes it away.
      (await lockFile(bundle.lock, signal === undefined ? {} : { signal }))
        .close();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function makeFolder({ id, path }: Bundle): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw new RuntimeError(`create container "${id}"`, {
      code: "AlreadyExists",
      detail: "there is a container of that id",
    }, { cause });
  }
}
