/**
 * Mounts for the time of a function.
 *
 * @module
 */

import { unlinkAt } from "@containerkit/libc";
import type { Mount } from "./mount.ts";
import { mount as mountOn } from "./mount_on.ts";

/** Options of {@linkcode withTemp}. */
export interface WithTempOptions {
  /**
   * Where the directory for it is made.
   *
   * @default {Deno.makeTempDir's own choice}
   */
  dir?: string;
  /** Stops before the function runs. */
  signal?: AbortSignal | undefined;
}

/**
 * Mounts in a directory of its own while a function runs. The directory is only ever removed empty: when unmounting fails, nothing in the mount is deleted.
 *
 * @typeParam T What the function gives.
 * @param mounts What to mount, the first at the bottom.
 * @param use The function; gets the directory.
 * @param options Where.
 * @returns What the function gave.
 * @throws {SyscallError} If the kernel refuses.
 * @throws {AggregateError} If the function failed, and the mount could not be taken away either: of both.
 *
 * @example Usage
 * ```ts ignore
 * import { withTemp } from "@containerkit/mount";
 *
 * const layer = { type: "erofs", source: "/srv/layer.erofs" } as const;
 * const names = await withTemp(layer, (path) => [...Deno.readDirSync(path)]);
 * console.log(names);
 * ```
 */
export async function withTemp<T>(
  mounts: Mount | readonly Mount[],
  use: (path: string) => T | Promise<T>,
  options: WithTempOptions = {},
): Promise<T> {
  const path = await Deno.makeTempDir({
    prefix: "containerkit-mount-",
    ...(options.dir === undefined ? {} : { dir: options.dir }),
  });
  const remove = () => unlinkAt(undefined, path, { directory: true });
  const mounted = await mountOn(mounts, path, options).catch((error) => {
    remove();
    throw error;
  });
  const end = async () => {
    await mounted.unmount();
    remove();
  };
  let result: T;
  try {
    result = await use(path);
  } catch (error) {
    // What failed may have left something open, which keeps the mount busy.
    await end().catch((second) => {
      throw new AggregateError(
        [error, second],
        `Cannot clear "${path}" after what it was mounted for failed: ${
          second instanceof Error ? second.message : second
        }`,
        { cause: error },
      );
    });
    throw error;
  }
  await end();
  return result;
}
