/**
 * Where a volume is attached while a container runs.
 *
 * @module
 */

/** A place in the mounts of a running process. */
export interface VolumePlace {
  /** The process, such as the first one of a container. */
  readonly process: number;
  /** An absolute path as that process sees it; it must be there. */
  readonly target: string;
}

/** Options of `VolumeStore.detach()` and `VolumeStore.detachFrom()`. */
export interface DetachVolumeOptions {
  /**
   * Takes it from the mounts of a running process also while it is used there: whoever has a file of it open keeps it.
   *
   * @default {false}
   */
  readonly lazy?: boolean;
  /** Ends the waiting while it is used. */
  readonly signal?: AbortSignal;
}
