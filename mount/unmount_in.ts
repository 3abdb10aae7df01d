/**
 * Taking mounts away from other processes.
 *
 * @module
 */

import {
  openAt,
  openAt2,
  OpenFlag,
  Resolve,
  SyscallError,
  tracer,
} from "@containerkit/libc";
import { hasUniqueNumbers } from "./_mount_number.ts";
import { explain } from "./_explain.ts";
import { findHolders } from "./_holders.ts";
import { inNamespace, openMountNamespace } from "./_in_namespace.ts";

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const EBUSY = 16;
const STATX_MNT_ID = 0x1000;
const STATX_MNT_ID_UNIQUE = 0x4000;

const trace = tracer("containerkit:mount");

/** Options of {@linkcode unmountIn}. */
export interface UnmountInOptions {
  /**
   * Takes it from the tree at once: who uses it keeps it until it is done.
   *
   * @default {false}
   */
  detach?: boolean;
  /**
   * How long to try again while it is busy, in milliseconds.
   *
   * @default {1000}
   */
  retry?: number;
  /** Only the mount of this number, which `MountFd.id` tells; what else is mounted there stays. */
  id?: number;
  /** Ends the waiting while it is busy. */
  signal?: AbortSignal | undefined;
}

/** Where a path leads in the mounts of a process, without links: unmounting follows none at the end. */
function placeIn(process: number, target: string): string {
  using root = openAt(undefined, `/proc/${process}/root`, OpenFlag.PATH);
  using place = openAt2(root, target, {
    flags: OpenFlag.PATH,
    resolve: Resolve.IN_ROOT | Resolve.NO_MAGICLINKS,
  });
  return Deno.readLinkSync(`/proc/self/fd/${place.number}`);
}

/**
 * Takes away what is mounted on a path in the mounts of another process, such as a running container: the other side of
 * `MountFd.attachIn()`.
 *
 * @param process The process.
 * @param target Where: an absolute path there, whose links stay inside that root.
 * @param options How.
 * @throws {Deno.errors.NotFound} If there is no such process.
 * @throws {SyscallError} If the kernel refuses: `EINVAL` if nothing is mounted there;
 * `EBUSY` while somebody uses it, with who it is as far as `/proc` shows, or while another mount than the one asked for is there.
 *
 * @example Usage
 * ```ts ignore
 * import { open, unmountIn } from "@containerkit/mount";
 *
 * using tree = await open({ type: "bind", source: "/srv/data" });
 * const { id } = tree;
 * await tree.attachIn(4711, "/data");
 * await unmountIn(4711, "/data", { id });
 * ```
 */
export function unmountIn(
  process: number,
  target: string,
  options: UnmountInOptions = {},
): Promise<void> {
  return trace(
    "unmount",
    () => ({ process, target, ...options }),
    () => unmountThere(process, target, options),
  );
}

async function unmountThere(
  process: number,
  target: string,
  options: UnmountInOptions,
): Promise<void> {
  const { detach = false, retry = 1000, id, signal } = options;
  const action = `unmount "${target}" in the mounts of process ${process}`;
  using namespace = openMountNamespace(process, action);
  const refused = (errno: number, detail: string | undefined) =>
    new SyscallError(action, { syscall: "umount2", errno, target, detail });
  const place = placeIn(process, target);
  const mask = hasUniqueNumbers() ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID;
  const { syscall, errno, isOther } = await inNamespace(namespace, {
    target: place,
    only: id === undefined ? undefined : { id, mask },
    flags: UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0),
    retry,
  }, signal);
  if (syscall === undefined) return;
  if (isOther) throw refused(errno, "another mount is on it");
  if (syscall === "umount2" && errno === EBUSY) {
    throw refused(errno, findHolders(place, process));
  }
  throw new SyscallError(action, {
    syscall,
    errno,
    target,
    detail: explain(errno, { call: syscall }),
  });
}
