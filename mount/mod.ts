/**
 * Mounts as data, and the calls that make them real.
 *
 * ```ts
 * import { parseMountinfo } from "@containerkit/mount";
 *
 * const mounts = parseMountinfo(Deno.readTextFileSync("/proc/thread-self/mountinfo"));
 * console.log(mounts.find((mount) => mount.target === "/")?.type);
 * ```
 *
 * @module
 */

export * from "./mount.ts";
export * from "./parse_mountinfo.ts";
