/**
 * Mounts that unmount themselves.
 *
 * @module
 */

import { SyscallError, tracer } from "@containerkit/libc";
import { applyPropagationByCall } from "./_classic_attributes.ts";
import { unmountHere } from "./_long_calls.ts";
import { mountExists } from "./_mount_exists.ts";
import { mountNumber } from "./_mount_number.ts";
import { isMountPoint } from "./is_mount_point.ts";
import { unmount, type UnmountOptions } from "./unmount.ts";

const trace = tracer("containerkit:mount");

/**
 * What was mounted on a path, until it is disposed of.
 *
 * @example Usage
 * ```ts ignore
 * import { mount } from "@containerkit/mount";
 *
 * await using rootfs = await mount({ type: "tmpfs" }, "/mnt");
 * console.log(rootfs.target);
 * ```
 */
export class Mounted implements AsyncDisposable {
  /** Where. */
  readonly target: string;
  /** Numbers of the mounts, the last on top. */
  #ids: number[];
  readonly #light: boolean;
  readonly #recursive: boolean;

  /**
   * Takes over mounts that are attached.
   *
   * @param target Where.
   * @param ids Their numbers, the last on top.
   * @param options Whether taking them away writes nothing back, so that no other thread is needed for it; and whether
   * what is mounted below came with them.
   */
  constructor(
    target: string,
    ids: readonly number[],
    options: { light?: boolean; recursive?: boolean } = {},
  ) {
    this.target = target;
    this.#ids = [...ids];
    this.#light = options.light ?? false;
    this.#recursive = options.recursive ?? false;
  }

  /** Leaves it mounted: disposing does nothing any more, and `unmount()` takes it away by its path. */
  keep(): void {
    this.#ids = [];
  }

  /**
   * Takes it away; of a recursive bind also what is mounted below. What somebody else took away already is fine.
   *
   * @param options How.
   * @throws {Deno.errors.Busy} If something else was mounted on top of it, or it was moved.
   * @throws {SyscallError} If the kernel refuses, such as `EBUSY`. It can be tried again.
   */
  async unmount(options: Omit<UnmountOptions, "all"> = {}): Promise<void> {
    while (this.#ids.length > 0) {
      const expected = this.#ids.at(-1)!;
      const found = topMount(this.target);
      if (found === expected) await this.#unmountTop(options);
      else if (mountExists(expected)) {
        const why = isMountPoint(this.target)
          ? "something else is mounted on top of it"
          : "it was moved elsewhere, or lies below another mount";
        throw new Deno.errors.Busy(`Cannot unmount "${this.target}": ${why}`);
      }
      this.#ids.pop();
    }
  }

  async #unmountTop(options: Omit<UnmountOptions, "all">): Promise<void> {
    if (this.#light && !options.recursive && !options.detach) {
      try {
        const details = () => ({ target: this.target });
        return trace("unmount", details, () => unmountNow(this.target));
      } catch {
        // Busy, mostly: the long way tries again and says who it is.
      }
    }
    if (!this.#recursive) return await unmount(this.target, options);
    // Else what is below would go from where it was bound from, too.
    applyPropagationByCall(this.target, "rslave");
    await unmount(this.target, { ...options, recursive: true });
  }

  /** Takes it away. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unmount();
  }
}

function unmountNow(target: string): void {
  const code = unmountHere(target, 0);
  if (code === 0) return;
  throw new SyscallError(`unmount "${target}"`, {
    syscall: "umount2",
    errno: code,
    path: target,
  });
}

/** The number of the mount one sees there; `undefined` if the path is gone. */
function topMount(target: string): number | undefined {
  try {
    return mountNumber(undefined, target);
  } catch {
    return undefined;
  }
}
