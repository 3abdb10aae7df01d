/** A process that was killed leaves its cgroup a little later. */
const ATTEMPTS = 400;
const PAUSE_MS = 5;

/**
 * Removes a cgroup with those below it, once their processes have gone.
 *
 * @throws {Deno.errors.Busy} If one of them does not go within two seconds.
 */
export async function removeCgroup(path: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      // Mostly there is none below it.
      Deno.removeSync(path);
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
    }
    try {
      for (const entry of Deno.readDirSync(path)) {
        if (entry.isDirectory) await removeCgroup(`${path}/${entry.name}`);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    if (attempt > 0) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  throw new Deno.errors.Busy(
    `Cannot remove the cgroup "${path}": it is in use`,
  );
}
