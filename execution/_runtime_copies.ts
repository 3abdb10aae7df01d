import { unmount } from "@containerkit/mount/unmount";
import { sweep } from "./_sweep.ts";

/**
 * crun, and runc until 1.1.14, run from a read-only bind mount of their program
 * on a file of this name, which they take away at once. It stays when they are
 * killed in between.
 */
const COPY_REGEXP = /^(?:crun|runc)\.[0-9A-Za-z]{6}$/;
const VARIABLE = "_LIBCONTAINER_STATEDIR";

/** Tells a runtime in which folder to make its copy; runc decides for itself: the one of the container in its root. */
export function copyFolder(path: string): Record<string, string> {
  return { [VARIABLE]: path };
}

/** Whether a process is a runtime that makes its copy in one of these folders. */
export function isRuntimeOf(pid: number, folders: readonly string[]): boolean {
  let environment: string;
  try {
    environment = Deno.readTextFileSync(`/proc/${pid}/environ`);
  } catch {
    return false; // It is a zombie, or gone.
  }
  const words = environment.split("\0");
  return folders.some((folder) => words.includes(`${VARIABLE}=${folder}`));
}

/** Ends what a killed runtime has left to this program: its other processes go on for a while. */
export async function endRuntimes(
  folders: readonly string[],
  options: { readonly except?: number } = {},
): Promise<void> {
  await sweep((pid) => pid !== options.except && isRuntimeOf(pid, folders));
}

/** Removes the copies that killed runtimes have left in a folder. */
export async function removeCopies(folder: string): Promise<void> {
  for (const name of names(folder)) {
    if (!COPY_REGEXP.test(name)) continue;
    const path = `${folder}/${name}`;
    await unmount(path, { detach: true, all: true });
    await Deno.remove(path).catch(ifThere);
  }
}

/** Removes a file, or a folder with all that is in it and the copies of killed runtimes. That it is not there is fine. */
export async function removeFolder(path: string): Promise<void> {
  // It is small and in memory: nothing waits for a disk.
  const remove = () => Deno.removeSync(path, { recursive: true });
  try {
    try {
      remove();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw error;
      await removeAllCopies(path);
      remove();
    }
  } catch (error) {
    ifThere(error);
  }
}

async function removeAllCopies(folder: string): Promise<void> {
  await removeCopies(folder);
  for (const name of names(folder)) {
    const path = `${folder}/${name}`;
    // Links lead elsewhere.
    if (Deno.lstatSync(path).isDirectory) await removeAllCopies(path);
  }
}

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    ifThere(error);
    return [];
  }
}

function ifThere(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
