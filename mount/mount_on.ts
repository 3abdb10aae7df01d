/**
 * Mounting.
 *
 * @module
 */

import { SyscallError, tracer } from "@containerkit/libc";
import { checkMount } from "./_check_mount.ts";
import { describeMount } from "./_describe_mount.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { mountByCall } from "./_mount_by_call.ts";
import { realPath } from "./_real_path.ts";
import type { Mount } from "./mount.ts";
import { Mounted } from "./mounted.ts";
import { open } from "./open.ts";

const trace = tracer("containerkit:mount");

/** Options of {@linkcode mount}. */
export interface MountOptions {
  /** Stops between two steps; what was mounted is taken away then. */
  signal?: AbortSignal | undefined;
}

/**
 * Mounts on a path: one mount, or several on top of each other.
 *
 * Each is made complete, with its attributes, before anybody can see it. When
 * one fails, those before it are taken away.
 *
 * @param mounts What to mount, the first at the bottom.
 * @param target Where: an existing directory, or a file for a bind of a file. A link at its end is followed.
 * @param options Stops it.
 * @returns What takes it away again.
 * @throws {TypeError} If a mount contradicts itself, or there is none.
 * @throws {SyscallError} If the kernel refuses, with the paths and the reason in words where it gave one.
 *
 * @see https://docs.kernel.org/filesystems/mount_api.html
 *
 * @example A root filesystem of two layers
 * ```ts ignore
 * import { mount } from "@containerkit/mount";
 *
 * await using rootfs = await mount({
 *   type: "overlay",
 *   lower: ["/layers/2", "/layers/1"],
 *   upper: "/active/1/upper",
 *   work: "/active/1/work",
 * }, "/run/rootfs");
 * console.log(rootfs.target);
 * ```
 */
export function mount(
  mounts: Mount | readonly Mount[],
  target: string,
  options: MountOptions = {},
): Promise<Mounted> {
  const list = isMount(mounts) ? [mounts] : mounts;
  return trace(
    "mount",
    () => ({ mounts: list, target }),
    () => mountStack(list, target, options),
  );
}

function isMount(mounts: Mount | readonly Mount[]): mounts is Mount {
  return !Array.isArray(mounts);
}

async function mountStack(
  given: readonly Mount[],
  target: string,
  options: MountOptions,
): Promise<Mounted> {
  if (given.length === 0) {
    throw new TypeError(`Cannot mount on "${target}": there is no mount`);
  }
  // What option words say decides how it is taken away, too.
  const mounts = given.map(checkMount);
  const path = target.startsWith("/") ? target : `${Deno.cwd()}/${target}`;
  // Who unmounts it follows no link at the end.
  const place = realPath(path);
  const ids: number[] = [];
  const recursive = mounts.some((mount) =>
    mount.type === "bind" && mount.recursive === true
  );
  try {
    for (const mount of mounts) {
      const refused = refusedMountApi();
      if (refused !== undefined) {
        const { signal } = options;
        const action = `mount ${describeMount(mount)}`;
        ids.push(await mountByCall(mount, path, { refused, signal, action }));
        continue;
      }
      using tree = await open(mount, options);
      options.signal?.throwIfAborted();
      ids.push(tree.id); // before: what fails after attaching is undone too
      try {
        tree.attach(path);
      } catch (error) {
        throw withAction(error, `mount ${describeMount(mount)}`);
      }
    }
  } catch (error) {
    await new Mounted(place, ids, { recursive }).unmount();
    throw error instanceof SyscallError
      ? withAction(error, `${error.action} on "${path}"`, path)
      : error;
  }
  return new Mounted(place, ids, { light: mounts.every(isLight), recursive });
}

/** Whether nothing is written back when it goes: what is in memory, cannot be written to, or was told to forget. */
function isLight(mount: Mount): boolean {
  switch (mount.type) {
    case "tmpfs":
    case "erofs":
      return true;
    case "overlay":
      return mount.upper === undefined || (mount.volatile ?? false);
    default:
      return false;
  }
}

/** The same error, told of something larger. */
function withAction(error: unknown, action: string, target?: string): unknown {
  if (!(error instanceof SyscallError)) return error;
  const { syscall, errno, path, detail } = error;
  return new SyscallError(action, {
    syscall,
    errno,
    path,
    target: target ?? error.target,
    detail,
    cause: error.cause ?? error,
  });
}
