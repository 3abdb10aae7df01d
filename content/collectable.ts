/**
 * How other components take part in garbage collection.
 *
 * @module
 */

/** One thing that a component keeps. */
export interface CollectableItem {
  /** Its name within the component. */
  readonly id: string;
  /** The lease it was made under, if any. */
  readonly lease?: string;
  /** Whether it is kept for its own sake, as a running container is. */
  readonly root?: boolean;
  /** Free text by key. */
  readonly labels?: Readonly<Record<string, string>>;
  /** When it was made or last changed: what is newer than the mark is kept. */
  readonly created: Date;
}

/** A reference from one thing to another, of any component. */
export interface CollectableReference {
  /** Which component the other thing is of, such as `"blob"` or `"snapshot"`. */
  readonly type: string;
  /** Its name there. */
  readonly id: string;
}

/**
 * A component whose things are kept while something refers to them.
 *
 * Structural: snapshots and volumes fit without importing this package. Whoever
 * adds a reference holds `<root>/gc.lock` shared; the sweep holds it exclusively
 * per batch and checks again.
 */
export interface Collectable {
  /** The name of its things in references. */
  readonly type: string;
  /** Lists all things. */
  list(): AsyncIterable<CollectableItem>;
  /** Lists what one thing refers to. */
  references(id: string): AsyncIterable<CollectableReference>;
  /**
   * Removes one thing. It is no error if it is gone, or cannot be removed as it is in use again. The lock is held by the caller.
   *
   * @returns `false` if it removed nothing.
   */
  remove(id: string): Promise<boolean | void>;
}
