/** Makes a folder with exactly this mode, whatever the umask is. */
export function makeDir(path: string, mode: number): void {
  Deno.mkdirSync(path, { mode });
  Deno.chmodSync(path, mode);
}

/** What is missing of these folders, or `undefined`. */
export function missingDir(
  dir: string,
  names: readonly string[],
): string | undefined {
  for (const name of ["", ...names]) {
    const path = name === "" ? dir : `${dir}/${name}`;
    try {
      if (Deno.lstatSync(path).isDirectory) continue;
      return `${path} is no directory`;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return `${path} is gone`;
    }
  }
}

/** Removes a tree, on another thread. */
export async function destroyTree(dir: string): Promise<void> {
  try {
    await Deno.remove(dir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
