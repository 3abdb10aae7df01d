import { SyscallError } from "@containerkit/libc";
import { unmountIn } from "@containerkit/mount";
import type { HotPlace } from "./_attachments.ts";
import { isAlive } from "./_process.ts";
import type { DetachVolumeOptions } from "./volume_place.ts";

/** Takes what is attached from the mounts of the process that has it. */
export async function detachHot(
  name: string,
  { process, target, mounts }: HotPlace,
  { lazy, signal }: DetachVolumeOptions,
): Promise<void> {
  for (const id of mounts.toReversed()) {
    // Its mounts end with it.
    if (!isAlive(process)) return;
    try {
      await unmountIn(process.pid, target, {
        id,
        signal,
        ...(lazy === undefined ? {} : { detach: lazy }),
      });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if (!(error instanceof SyscallError)) throw error;
      // Its process has unmounted it, or never got it.
      if (error.code === "EINVAL" || error.code === "ENOENT") continue;
      if (error.code !== "EBUSY") throw error;
      throw new Deno.errors.Busy(
        `Cannot detach volume "${name}" from "${target}" of process ${process.pid}: ${
          error.detail ?? "it is used"
        }`,
        { cause: error },
      );
    }
  }
}
