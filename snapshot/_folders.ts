import { SyscallError } from "@containerkit/libc";
import { basename, dirname } from "node:path/posix";
import { layerSymbols } from "./_layer_symbols.ts";
import { Pace } from "./_pace.ts";
import { openRoot } from "./_parent_layers.ts";
import { removeTree } from "./_remove_tree.ts";

/** Makes a folder with exactly this mode, whatever the umask is. */
export function makeDir(path: string, mode: number): void {
  Deno.mkdirSync(path, { mode });
  Deno.chmodSync(path, mode);
}

/** Whether there is anything at a path, be it a link to nothing. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes a file, if it is there. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
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

/** Removes a tree, however deep, while others go on. */
export async function destroyTree(dir: string): Promise<void> {
  try {
    const above = openRoot(dirname(dir));
    try {
      await new Pace().run(removeTree(above, basename(dir), dir));
    } finally {
      layerSymbols().close(above);
    }
  } catch (error) {
    const isGone = error instanceof SyscallError && error.code === "ENOENT";
    if (!isGone) throw error;
  }
}
