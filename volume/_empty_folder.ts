import { checkNoneMountedIn } from "./_mounted_in.ts";
import { runProgram } from "./_run_program.ts";

// By programs: Deno removes a tree by recursion, and one that is nested deep enough, as whoever used the volume may leave it,
// ends the whole process; nor can it name what is no UTF-8.

export function isEmpty(root: string): boolean {
  for (const _ of Deno.readDirSync(root)) return false;
  return true;
}

/** Empties a folder, but keeps it. */
export async function emptyFolder(root: string): Promise<void> {
  if (isEmpty(root)) return;
  const action = `empty "${root}"`;
  checkNoneMountedIn(action, root);
  await runProgram(action, "find", [
    root,
    "-mindepth",
    "1",
    "-delete",
  ]);
}

/** Removes a folder with all that is in it; another process may be at it too. */
export async function removeFolder(
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const action = `remove "${path}"`;
  checkNoneMountedIn(action, path);
  await runProgram(action, "rm", ["-rf", "--", path], signal);
}
