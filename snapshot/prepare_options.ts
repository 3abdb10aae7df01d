/**
 * How snapshots are made, committed and described.
 *
 * @module
 */

import type { IdMap } from "@containerkit/mount";

/**
 * When data is made to survive a power cut: `full` before each commit, `batch`
 * once per image by {@linkcode unpack}, `none` never.
 */
export type SnapshotDurability = "full" | "batch" | "none";

/** Options of {@linkcode Snapshotter.prepare} and {@linkcode Snapshotter.view}. */
export interface PrepareOptions {
  /** Free text by key. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The lease to keep it under. */
  readonly lease?: string;
  /**
   * Never writes back what is changed: for what is thrown away. Lost with the machine, even when it was committed
   * before the boot of the machine ended.
   *
   * @default {false}
   */
  readonly volatile?: boolean;
  /** Most bytes that changes may take. */
  readonly sizeLimit?: number;
  /** Shows other user and group ids. */
  readonly idmap?: IdMap;
  /**
   * Removed by the next `open` once the process that made it is dead.
   *
   * @default {false}
   */
  readonly transient?: boolean;
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode Snapshotter.commit}. */
export interface CommitOptions {
  /** Free text by key; replaces the labels of the active snapshot. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The parent, for an active snapshot that has none yet. */
  readonly parent?: string;
  /** Digest of the uncompressed tar, where it has been proven. */
  readonly diffId?: string;
  /** The lease to keep it under; by default that of the active snapshot. */
  readonly lease?: string;
  /**
   * Whether it is made to survive a power cut.
   *
   * @default {"full"}
   */
  readonly durability?: "full" | "none";
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** One of several snapshots to commit by {@linkcode Snapshotter.commitAll}. */
export interface SnapshotCommit {
  /** The name of the layer. */
  readonly name: string;
  /** The key of the active snapshot. */
  readonly key: string;
  /** As for one; its parent may be the name of one before it in the list. `durability` and `signal` do not count. */
  readonly options?: CommitOptions;
}

/** Options of {@linkcode Snapshotter.update}. */
export interface UpdateOptions {
  /** Labels to set; `null` deletes one. */
  readonly labels: Readonly<Record<string, string | null>>;
  /**
   * Deletes all labels that are not named.
   *
   * @default {false}
   */
  readonly replace?: boolean;
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** Options that calls have which take long and need nothing else. */
export interface SnapshotCallOptions {
  /** Aborts it. */
  readonly signal?: AbortSignal;
}
