/**
 * What is known of a snapshot.
 *
 * @module
 */

/**
 * What a snapshot is for: `committed` is a layer, fixed and named; `active` can
 * be written and becomes a layer by a commit; `view` shows a layer read-only.
 */
export type SnapshotKind = "view" | "active" | "committed";

/** One snapshot of a store. */
export interface SnapshotInfo {
  /** The name of a committed snapshot, the key of another: one key space. */
  readonly name: string;
  /** What it is for. */
  readonly kind: SnapshotKind;
  /** The committed snapshot below it. */
  readonly parent?: string;
  /** Digest of the layer's uncompressed tar, where it is known. */
  readonly diffId?: string;
  /** Free text by key. */
  readonly labels: Readonly<Record<string, string>>;
  /** The lease it was made under, for garbage collection. */
  readonly lease?: string;
  /** Whether garbage collection leaves it for its own sake: it was kept, and is neither removed nor committed. */
  readonly root?: boolean;
  /** When it was prepared; for a committed one, when it was committed. */
  readonly created: Date;
  /** When its labels changed last. */
  readonly updated: Date;
}

/** What a snapshot takes on disk, without its parents. */
export interface SnapshotUsage {
  /** Bytes allocated. */
  readonly size: number;
  /** Files, directories and all else with an inode, where they can be counted. */
  readonly inodes?: number;
}

/**
 * Chooses snapshots: all that is stated must hold.
 *
 * @example Active snapshots without a parent
 * ```ts
 * import type { SnapshotFilter } from "@containerkit/snapshot";
 *
 * const filter: SnapshotFilter = { kind: "active", parent: false };
 * console.log(filter);
 * ```
 */
export interface SnapshotFilter {
  /** This name or key. */
  readonly name?: string;
  /** This kind. */
  readonly kind?: SnapshotKind;
  /** This parent; `true` is any, `false` none. */
  readonly parent?: string | boolean;
  /** Labels that must be there; `true` takes any value. */
  readonly labels?: Readonly<Record<string, string | true>>;
}
