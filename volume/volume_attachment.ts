/**
 * Who uses a volume.
 *
 * @module
 */

import type { VolumePlace } from "./volume_place.ts";

/** A use of a volume as plain data. */
export interface VolumeAttachment {
  /** Names this use, for {@linkcode VolumeStore.detach}. */
  readonly id: string;
  /** The name of the volume. */
  readonly volume: string;
  /** The process that holds it, and whose end ends it unless it has a place; none once it was kept. */
  readonly owner?: number;
  /**
   * Where `attachIn()` put it: with that process it ends. Where the mounts are that `attach()` gave, only those know who
   * mounted them.
   */
  readonly place?: VolumePlace;
  /** Since when; not known if an earlier version noted it. */
  readonly created?: Date;
}
