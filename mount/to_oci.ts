/**
 * Mounts for runtimes.
 *
 * @module
 */

import type { Mount } from "./mount.ts";
import { toContainerd } from "./to_containerd.ts";

/** An entry of `mounts` in the configuration of a runtime, see config.md of the OCI runtime specification. */
export interface OciMount {
  /** Where in the container. */
  readonly destination: string;
  /** The filesystem, or `bind`. */
  readonly type: string;
  /** What is mounted. */
  readonly source: string;
  /** Option words of mount(8). */
  readonly options: string[];
}

/**
 * Writes a mount as an entry of a runtime's configuration.
 *
 * @param mount The mount.
 * @param destination Where in the container: an absolute path.
 * @returns The entry.
 * @throws {TypeError} If an entry cannot say it: nested mounts, mapped ids, a part of a mount, images (they need a loop device), or options that do not fit; or if the destination is not absolute.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md#mounts
 *
 * @example Usage
 * ```ts
 * import { toOci } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(toOci({ type: "tmpfs", size: 1024, nosuid: true }, "/run"), {
 *   destination: "/run",
 *   type: "tmpfs",
 *   source: "tmpfs",
 *   options: ["size=1024", "nosuid"],
 * });
 * ```
 */
export function toOci(mount: Mount, destination: string): OciMount {
  if (!destination.startsWith("/")) {
    throw new TypeError(
      `Cannot mount at "${destination}": it is no absolute path`,
    );
  }
  if (mount.type === "image") {
    throw new TypeError(
      `Cannot write the mount of "${mount.source}" for a runtime: it needs a loop device; stage() makes it a bind`,
    );
  }
  const { type, source, options = [] } = toContainerd(mount);
  return { destination, type, source, options: [...options] };
}
