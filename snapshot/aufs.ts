/**
 * Mounts of aufs, for kernels that have it.
 *
 * An OCI layer that is unpacked as it is, with its whiteouts, is a branch of
 * aufs: `applyLayer()` with the format `aufs` makes one. No kernel of a
 * distribution has aufs today, hence there is no store of its own; what is here
 * is pure.
 *
 * ```ts
 * import { aufsMount } from "@containerkit/snapshot/aufs";
 *
 * console.log(aufsMount({ lower: ["/layers/2", "/layers/1"], upper: "/active/1" }));
 * ```
 *
 * @module
 */

import type { RawMount } from "@containerkit/mount";

/** `FSCONFIG_SET_STRING` takes no more. */
const LONGEST_OPTION = 255;

/** What to merge. */
export interface AufsMountOptions {
  /** Read-only branches, the topmost first. */
  readonly lower: readonly string[];
  /** Where changes go; without it the mount is read-only. */
  readonly upper?: string;
  /**
   * File for the numbers of inodes, on a filesystem that can be written and is no branch.
   *
   * @default {"/dev/shm/aufs.xino"}
   */
  readonly xino?: string;
}

function branch(key: string, path: string, mode: string): string {
  if (!path.startsWith("/") || /[:=,\\]/.test(path)) {
    throw new TypeError(
      `Cannot use "${path}" as a branch: an absolute path without : = , and \\ is needed`,
    );
  }
  const option = `${key}=${path}=${mode}`;
  if (new TextEncoder().encode(option).length > LONGEST_OPTION) {
    throw new RangeError(
      `Cannot use "${path}" as a branch: it is longer than the kernel takes`,
    );
  }
  return option;
}

/**
 * Plans the mount of branches by aufs, as aufs(5) describes it: one option a
 * branch, so that their number has no limit by the length of the options.
 *
 * @param options The branches.
 * @returns The mount, plain data.
 * @throws {TypeError} If there is no branch, or the path of one cannot be written as an option.
 * @throws {RangeError} If a path is too long.
 *
 * @example Usage
 * ```ts
 * import { aufsMount } from "@containerkit/snapshot/aufs";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(aufsMount({ lower: ["/l"], upper: "/u" }).options, [
 *   "br=/u=rw",
 *   "append=/l=ro+wh",
 *   "dio",
 *   "xino=/dev/shm/aufs.xino",
 * ]);
 * ```
 */
export function aufsMount(options: AufsMountOptions): RawMount {
  const { lower, upper, xino = "/dev/shm/aufs.xino" } = options;
  const branches = [
    ...(upper === undefined ? [] : [[upper, "rw"] as const]),
    // Without "+wh" the whiteouts of read-only branches do not count.
    ...lower.map((path) => [path, "ro+wh"] as const),
  ];
  if (branches.length === 0) {
    throw new TypeError("Cannot plan a mount of aufs: there is no branch");
  }
  return {
    type: "raw",
    fstype: "aufs",
    source: "none",
    options: [
      ...branches.map(([path, mode], index) =>
        branch(index === 0 ? "br" : "append", path, mode)
      ),
      "dio",
      `xino=${xino}`,
    ],
    ...(upper === undefined ? { readonly: true } : {}),
  };
}

/**
 * Says why this kernel cannot mount aufs.
 *
 * @returns The reason, or `undefined` if it can.
 *
 * @example Usage
 * ```ts ignore
 * import { whyNoAufs } from "@containerkit/snapshot/aufs";
 *
 * console.log(whyNoAufs());
 * ```
 */
export function whyNoAufs(): string | undefined {
  const known = Deno.readTextFileSync("/proc/filesystems").split("\n")
    .some((line) => line.split("\t")[1] === "aufs");
  return known
    ? undefined
    : "this kernel has no aufs: it is a patch that no distribution carries any more";
}
