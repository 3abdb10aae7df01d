import { SyscallError, unlinkAt } from "@containerkit/libc";
import { type FileLock, lockFile } from "@containerkit/state";
import { findVolume, requireRow } from "./_row.ts";
import type { Store } from "./_stage.ts";

/** What a volume is locked for: by those who ask, while it is filled, and while its limits change. */
type Suffix = "" | ".fill" | ".resize";

const SUFFIXES: readonly Suffix[] = ["", ".fill", ".resize"];

/** The file of a lock. */
export function lockPath({ root }: Store, id: number, suffix: Suffix): string {
  return `${root}/locks/${id}${suffix}`;
}

/** Removes the files of the locks of a volume that is gone. */
export function removeLocks(store: Store, id: number): void {
  // Mostly there are none.
  for (const suffix of SUFFIXES) {
    try {
      unlinkAt(undefined, lockPath(store, id, suffix));
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOENT") {
        throw error;
      }
    }
  }
}

/**
 * Locks the volume of a name, waiting for others.
 *
 * @throws {Deno.errors.NotFound} If there is none, or it is removed meanwhile.
 */
export async function lockVolume(
  store: Store,
  name: string,
  options: {
    readonly suffix: Suffix;
    /** What it is locked for, in the error. */
    readonly action: string;
    readonly exclusive?: boolean;
    readonly signal?: AbortSignal;
  },
): Promise<FileLock> {
  const { suffix, action, ...rest } = options;
  for (;;) {
    const { id } = requireRow(store.state, name, action);
    const lock = await lockFile(lockPath(store, id, suffix), rest);
    if (findVolume(store.state, name)?.id === id) return lock;
    // It was removed meanwhile, and its file with it, which waiting made anew.
    removeLocks(store, id);
    lock.close();
  }
}
