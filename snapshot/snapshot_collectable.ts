/**
 * A store of snapshots in garbage collection.
 *
 * @module
 */

/** How garbage collection sees a store. Structural: fits `Collectable` of `@containerkit/content`. */
export interface SnapshotCollectable {
  /** The name of its things in references: `snapshot/` and the driver. */
  readonly type: string;
  /** Lists all snapshots. */
  list(): AsyncIterable<{
    readonly id: string;
    readonly lease?: string;
    readonly root?: boolean;
    readonly labels?: Readonly<Record<string, string>>;
    readonly created: Date;
  }>;
  /** Lists what one refers to: its parent. */
  references(
    id: string,
  ): AsyncIterable<{ readonly type: string; readonly id: string }>;
  /** Removes one, and says whether it did: nothing happens if it is gone, kept, in use, or others are built on it. */
  remove(id: string): Promise<boolean>;
}
