/**
 * What is mounted.
 *
 * @module
 */

import { realPlace } from "./_real_path.ts";
import { type MountinfoEntry, parseMountinfo } from "./parse_mountinfo.ts";

/** Options of {@linkcode listMounts}. */
export interface ListMountsOptions {
  /** Only what is mounted there or below; a link at its end is not followed. With `pid` a path that has no links, as it is there. */
  under?: string;
  /** Of the mount namespace of this process; of this thread by default. */
  pid?: number;
}

/**
 * Lists what is mounted, in the kernel's order: what was mounted on top of something stands behind it.
 *
 * @param options Which.
 * @returns The mounts.
 * @throws {Deno.errors.NotFound} If there is no such process.
 *
 * @example Usage
 * ```ts ignore
 * import { listMounts } from "@containerkit/mount";
 *
 * for (const { target, type } of listMounts({ under: "/run" })) console.log(target, type);
 * ```
 */
export function listMounts(options: ListMountsOptions = {}): MountinfoEntry[] {
  const { pid } = options;
  const file = pid === undefined
    ? "/proc/thread-self/mountinfo"
    : `/proc/${pid}/mountinfo`;
  const mounts = parseMountinfo(Deno.readTextFileSync(file));
  if (options.under === undefined) return mounts;
  const under = pid === undefined ? realPlace(options.under) : options.under;
  if (under === "/") return mounts;
  const prefix = `${under}/`;
  return mounts.filter(({ target }) =>
    target === under || target.startsWith(prefix)
  );
}
