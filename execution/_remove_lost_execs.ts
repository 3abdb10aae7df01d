import { type Bundle, execFiles, readExit, readProcess } from "./_bundle.ts";
import { ifThere } from "./_if_there.ts";
import { isUnreaped } from "./_process_stat.ts";
import { removeFolder } from "./_runtime_copies.ts";

function execIds({ execs }: Bundle): string[] {
  return (ifThere(() => [...Deno.readDirSync(execs)]) ?? [])
    .map(({ name }) => name);
}

/**
 * Removes the folders of further processes that ended when their program was
 * dead. One that lives writes down how a process ended before it reaps it.
 */
export async function removeLostExecs(bundle: Bundle): Promise<void> {
  for (const id of execIds(bundle)) {
    const files = execFiles(bundle, id);
    const record = readProcess(files);
    if (record === undefined || isUnreaped(record)) continue;
    if (readExit(files) === undefined) await removeFolder(files.path);
  }
}
