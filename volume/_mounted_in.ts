import { listMounts } from "@containerkit/mount";

/**
 * What is mounted below a folder, such as what a container has mounted in a volume that it sees by shared propagation. It is
 * not the volume's: programs that remove a tree go into it and remove all that is there before they find that it is one.
 *
 * @returns The place of one, or `undefined`.
 */
export function mountedIn(folder: string): string | undefined {
  let path: string;
  try {
    path = Deno.realPathSync(folder);
  } catch (error) {
    // Another process was faster.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return listMounts({ under: path }).find(({ target }) => target !== path)
    ?.target;
}

/** Refuses to remove what is in a folder while something is mounted there. */
export function checkNoneMountedIn(action: string, folder: string): void {
  const target = mountedIn(folder);
  if (target === undefined) return;
  throw new Deno.errors.Busy(
    `Cannot ${action}: "${target}" is mounted in it`,
  );
}
