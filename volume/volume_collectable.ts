/**
 * How garbage collection sees volumes.
 *
 * @module
 */

/**
 * A store's part in garbage collection. Structural: fits `Collectable` of `@containerkit/content`.
 *
 * A volume that somebody named is kept until it is removed by name; one that
 * was made under a lease goes when the lease has ended, nobody uses it, and nothing refers to it.
 */
export interface VolumeCollectable {
  /** The name of its things in references. */
  readonly type: "volume";
  /** Lists all volumes by name. */
  list(): AsyncIterable<{
    readonly id: string;
    readonly lease?: string;
    readonly root?: boolean;
    readonly labels?: Readonly<Record<string, string>>;
    readonly created: Date;
  }>;
  /** Lists what a volume refers to: the snapshot of a view. */
  references(
    id: string,
  ): AsyncIterable<{ readonly type: string; readonly id: string }>;
  /** Removes a volume, and says whether it did: nothing happens if it is gone or in use. */
  remove(id: string): Promise<boolean>;
}
