/**
 * Unpinning network namespaces.
 *
 * @module
 */

import {
  cString,
  errno,
  type Fd,
  openAt,
  SyscallError,
  unlinkAt,
} from "@containerkit/libc";
import { isNetNs } from "./_is_net_ns.ts";
import { symbols } from "./_libc.ts";
import { pace } from "./_pace.ts";

const MNT_DETACH = 2;

/** The file, or `undefined` where there is none. */
function open(path: string): Fd | undefined {
  try {
    return openAt(undefined, path);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return;
    throw error;
  }
}

/** Whether the file is what an interrupted removal leaves, or somebody has just removed that too. */
function isLeftover(path: string): boolean {
  try {
    const { isFile, size } = Deno.lstatSync(path);
    return isFile && size === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

/** Unmounts the file, unless somebody was quicker. */
function unmount(path: string): void {
  if (symbols().umount2(cString(path), MNT_DETACH) === 0) return;
  const code = errno();
  using file = open(path);
  if (file === undefined || !isNetNs(file)) return;
  throw new SyscallError(`unmount the network namespace "${path}"`, {
    syscall: "umount2",
    errno: code,
    path,
  });
}

/**
 * Removes the pin of a network namespace: the mount and the file.
 *
 * The namespace goes when nothing else holds it, and its virtual links with
 * it; the kernel does that later, in 10 to 50 ms, and nobody waits for it.
 * Removing what is gone already is no error.
 *
 * @param path Where it is pinned.
 * @returns Whether there was one.
 * @throws {TypeError} If the file is something else: neither a network namespace nor empty.
 * @throws {Deno.errors.Busy} While the file is mounted in another mount namespace.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { removeNetNs } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(removeNetNs("/run/netns/no-such"), false);
 * ```
 */
export function removeNetNs(path: string): boolean {
  const file = open(path);
  if (file === undefined) return false;
  const pinned = isNetNs(file);
  file.close();
  if (!pinned && !isLeftover(path)) {
    throw new TypeError(
      `Cannot remove the network namespace "${path}": the file is none`,
    );
  }
  if (pinned) {
    unmount(path);
    pace.ended();
  }
  try {
    unlinkAt(undefined, path);
  } catch (error) {
    const code = error instanceof SyscallError ? error.code : undefined;
    if (code === "ENOENT") return false;
    if (code !== "EBUSY") throw error;
    throw new Deno.errors.Busy(
      `Cannot remove the network namespace "${path}": another mount namespace holds its file`,
      { cause: error },
    );
  }
  return true;
}
