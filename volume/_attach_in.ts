import { open } from "@containerkit/mount";
import { attach } from "./_attach.ts";
import { type HotPlace, recordHot } from "./_attachments.ts";
import type { AttachedVolume, AttachVolumeOptions } from "./attached_volume.ts";
import { identify } from "./_process.ts";
import type { Store } from "./_stage.ts";
import type { VolumePlace } from "./volume_place.ts";

/** Attaches a volume in the mounts of a running process; see `VolumeStore.attachIn`. */
export async function attachIn(
  store: Store,
  name: string,
  place: VolumePlace,
  options: AttachVolumeOptions,
): Promise<AttachedVolume> {
  const { target } = place;
  if (!target.startsWith("/")) {
    throw new TypeError(
      `Cannot attach volume "${name}" on "${target}": expected an absolute path`,
    );
  }
  const process = identify(place.process);
  if (process === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot attach volume "${name}" in process ${place.process}: there is no such process`,
    );
  }
  const use = await attach(store, name, options);
  const hot: HotPlace & { mounts: number[] } = { process, target, mounts: [] };
  try {
    for (const mount of use.mounts) {
      using tree = await open(mount);
      options.signal?.throwIfAborted();
      // Known before it is there, so that a process that dies in between leaves nothing unknown.
      hot.mounts.push(tree.id);
      recordHot(store.state, use.id, hot);
      await tree.attachIn(process.pid, target);
    }
  } catch (error) {
    await use[Symbol.asyncDispose]();
    throw error;
  }
  return use;
}
