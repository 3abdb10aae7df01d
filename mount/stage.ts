/**
 * Mounts for those who can only bind.
 *
 * @module
 */

import { unlinkAt } from "@containerkit/libc";
import { pickAttributes } from "./_attributes.ts";
import { checkMount } from "./_check_mount.ts";
import type { BindMount, Mount } from "./mount.ts";
import type { Mounted } from "./mounted.ts";
import { mount as mountOn } from "./mount_on.ts";

/**
 * A mount that is staged in a directory, until it is disposed of.
 *
 * @example Usage
 * ```ts ignore
 * import { stage, toOci } from "@containerkit/mount";
 *
 * await using staged = await stage({ type: "erofs", source: "/srv/data.erofs" }, "/run/stage/data");
 * console.log(toOci(staged.mount, "/data"));
 * ```
 */
export class Staged implements AsyncDisposable {
  /** The bind that stands for it. */
  readonly mount: BindMount;
  readonly #mounted: Mounted;
  #made: boolean;
  #kept = false;

  /**
   * Takes over what is mounted.
   *
   * @param mounted What is mounted.
   * @param options The bind, and whether the directory was made for it.
   */
  constructor(mounted: Mounted, options: { mount: BindMount; made: boolean }) {
    this.#mounted = mounted;
    this.mount = options.mount;
    this.#made = options.made;
  }

  /** Leaves it mounted: disposing does nothing any more. */
  keep(): void {
    this.#kept = true;
    this.#mounted.keep();
  }

  /** Takes it away, and the directory if it was made for it. A second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mounted.unmount();
    if (!this.#made || this.#kept) return;
    unlinkAt(undefined, this.#mounted.target, { directory: true });
    this.#made = false;
  }
}

/** Options of {@linkcode stage}. */
export interface StageOptions {
  /** Stops between two steps; what was mounted is taken away then. */
  signal?: AbortSignal | undefined;
}

/**
 * Mounts in a directory what a runtime cannot mount itself, and gives the bind that stands for it: nested mounts, mapped ids, parts, images.
 *
 * @param mount The mount.
 * @param directory Where: an absolute path; made if it does not exist, and removed then when disposed of.
 * @param options Stops it.
 * @returns The bind, and what takes it away again.
 * @throws {TypeError} If the mount contradicts itself.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { stage, toOci } from "@containerkit/mount";
 *
 * await using staged = await stage({ type: "erofs", source: "/srv/data.erofs" }, "/run/stage/data");
 * console.log(toOci(staged.mount, "/data"));
 * ```
 */
export async function stage(
  mount: Mount,
  directory: string,
  options: StageOptions = {},
): Promise<Staged> {
  const made = makeDirectory(directory);
  try {
    const mounted = await mountOn(mount, directory, options);
    return new Staged(mounted, { made, mount: standIn(mount, directory) });
  } catch (error) {
    if (made) unlinkAt(undefined, directory, { directory: true });
    throw error;
  }
}

function makeDirectory(path: string): boolean {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/** What a bind does not take over from the mount it shows, it is told again. */
function standIn(given: Mount, source: string): BindMount {
  const mount = checkMount(given); // what option words say too
  const { readonly, idmap: _, subpath: __, ...attributes } = pickAttributes(
    mount,
  );
  const isReadonly = readonly ??
    (mount.type === "erofs" ||
      mount.type === "overlay" && mount.upper === undefined);
  return {
    type: "bind",
    source,
    recursive: true,
    ...(isReadonly ? { readonly: isReadonly } : {}),
    ...attributes,
  };
}
