/**
 * Taking mounts away.
 *
 * @module
 */

import { SyscallError, tracer } from "@containerkit/libc";
import { explain } from "./_explain.ts";
import { findHolders } from "./_holders.ts";
import { unmountOnPool } from "./_long_calls.ts";
import { realPlace } from "./_real_path.ts";
import { isMountPoint } from "./is_mount_point.ts";
import { listMounts } from "./list_mounts.ts";

const MNT_DETACH = 2;
const EBUSY = 16;
const MAX_PAUSE = 50;

const trace = tracer("containerkit:mount");

/** Options of {@linkcode unmount}. */
export interface UnmountOptions {
  /**
   * Takes it from the tree at once, and lets the kernel clean up when nobody uses it any more.
   *
   * @default {false}
   */
  detach?: boolean;
  /**
   * Also what is mounted below it, deepest first.
   *
   * @default {false}
   */
  recursive?: boolean;
  /**
   * Everything that is mounted there, one on the other; nothing mounted is fine then.
   *
   * @default {false}
   */
  all?: boolean;
  /**
   * How long to try again while it is busy, in milliseconds.
   *
   * @default {1000}
   */
  retry?: number;
  /** Ends the waiting while it is busy. */
  signal?: AbortSignal | undefined;
}

/**
 * Takes away what is mounted on a path, as umount(2) does.
 *
 * @param target Where; a link at its end is not followed.
 * @param options What else, and how long to try.
 * @throws {SyscallError} If the kernel refuses: `EINVAL` if nothing is mounted there, `EBUSY` while somebody uses it, with who it is as far as `/proc` shows.
 *
 * @example Usage
 * ```ts ignore
 * import { unmount } from "@containerkit/mount";
 *
 * await unmount("/mnt", { recursive: true });
 * ```
 */
export function unmount(
  target: string,
  options: UnmountOptions = {},
): Promise<void> {
  return trace(
    "unmount",
    () => ({ target, ...options }),
    () => unmountAll(target, options),
  );
}

async function unmountAll(
  given: string,
  options: UnmountOptions,
): Promise<void> {
  const target = realPlace(given);
  for (const place of options.recursive ? inOrder(target) : []) {
    if (place === target && !options.all) break;
    // Where they are shared, or detached, it may have gone with another.
    if (isMountPoint(place)) await unmountOne(place, options);
  }
  if (!options.all) return await unmountOne(target, options);
  while (isMountPoint(target)) await unmountOne(target, options);
}

/**
 * What is mounted on a path and below it, each after what is mounted on or over it. The kernel's order does not tell: a
 * mount that was made first may have been attached last.
 */
function inOrder(target: string): string[] {
  const mounts = listMounts({ under: target });
  const known = new Set(mounts.map(({ id }) => id));
  const children = Map.groupBy(
    mounts.reverse(),
    ({ id, parent }) => id !== parent && known.has(parent) ? parent : undefined,
  );
  const visit = (parent: number | undefined): string[] =>
    (children.get(parent) ?? [])
      // Of two on one mount, the one that is nearer to its root may hide the other.
      .toSorted((a, b) => a.target.length - b.target.length)
      .flatMap((mount) => [...visit(mount.id), mount.target]);
  return visit(undefined);
}

async function unmountOne(
  target: string,
  options: UnmountOptions,
): Promise<void> {
  const { retry = 1000, signal } = options;
  const flags = options.detach ? MNT_DETACH : 0;
  const end = performance.now() + retry;
  for (let pause = 1;; pause = Math.min(pause * 2, MAX_PAUSE)) {
    signal?.throwIfAborted();
    const code = await unmountOnPool(target, flags);
    if (code === 0) return;
    if (code !== EBUSY || performance.now() + pause > end) {
      throw new SyscallError(`unmount "${target}"`, {
        syscall: "umount2",
        errno: code,
        path: target,
        detail: code === EBUSY
          ? findHolders(target)
          : explain(code, { call: "umount2" }),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
