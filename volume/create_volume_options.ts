/**
 * What a new volume is to be.
 *
 * @module
 */

import type { Mount } from "@containerkit/mount";
import type { VolumeKind } from "./volume_info.ts";

/** Options of {@linkcode VolumeStore.create}. */
export interface CreateVolumeOptions {
  /**
   * How it keeps its data.
   *
   * - `dir`: a folder, on any filesystem, without a limit.
   * - `quota`: a folder that the filesystem limits: ext4 or xfs mounted with project quotas, or btrfs with its quotas on.
   * - `subvolume`: a subvolume of btrfs, with a limit if quotas are enabled.
   * - `image`: a filesystem in a sparse file, on any filesystem; needs `size`.
   * - `tmpfs`: in memory, empty again after each start of the machine.
   * - `foreign`: any other mount, see `mounts`.
   * - `view`: a snapshot shown read-only, see `snapshot`.
   *
   * @default {"dir"}
   */
  readonly kind?: VolumeKind;
  /** Most bytes it may hold. */
  readonly size?: number;
  /** Most files and folders it may hold. */
  readonly inodes?: number;
  /**
   * The owner of its root.
   *
   * @default {{ uid: 0, gid: 0 }}
   */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /**
   * Permission bits of its root.
   *
   * @default {0o755}
   */
  readonly mode?: number;
  /**
   * Whether every user sees it read-only.
   *
   * @default {false}
   */
  readonly readonly?: boolean;
  /** Free text by key. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The lease to keep it under. */
  readonly lease?: string;
  /**
   * The filesystem of an image.
   *
   * @default {"ext4"}
   */
  readonly fstype?: "ext4" | "xfs";
  /** What a foreign volume shows. */
  readonly mounts?: readonly Mount[];
  /** What a view shows. Structural: a snapshot of `@containerkit/snapshot` fits. */
  readonly snapshot?: {
    /** The key of the snapshot. */
    readonly key: string;
    /** What to mount for it. */
    readonly mounts: readonly Mount[];
    /**
     * What garbage collection calls its kind.
     *
     * @default {"snapshot/overlay"}
     */
    readonly type?: string;
  };
  /** Aborts it. */
  readonly signal?: AbortSignal;
}
