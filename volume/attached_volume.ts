/**
 * A volume in use.
 *
 * @module
 */

import type { Mount, MountAttributes } from "@containerkit/mount";

/** Options of {@linkcode VolumeStore.attach}: attributes of the mount, and the usual. */
export interface AttachVolumeOptions extends MountAttributes {
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** A volume that cannot be removed while this holds it. Disposing lets go. */
export interface AttachedVolume extends AsyncDisposable {
  /** Names this use, for {@linkcode VolumeStore.detach}. */
  readonly id: string;
  /** What to mount where the volume is wanted. */
  readonly mounts: readonly Mount[];
  /** Leaves it in use: disposing does nothing from here on, `detach(id)` lets go. */
  keep(): void;
}
