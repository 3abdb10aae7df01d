/**
 * The error for a layer that must be applied on its parent.
 *
 * @module
 */

/**
 * A layer, applied without a parent, that cannot be put on this one as it is:
 * its files lie behind links that the parent has. Prepare it on the parent and apply it again.
 *
 * @example Usage
 * ```ts
 * import { RebaseError } from "@containerkit/snapshot";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   new RebaseError("work", "base", "lib").message,
 *   'Cannot commit snapshot "work" onto "base": its "lib" is a link there; apply the layer to a snapshot of the parent',
 * );
 * ```
 */
export class RebaseError extends Error {
  /** Always `"RebaseError"`, for checks across package versions. */
  override readonly name = "RebaseError";
  /** The key of the snapshot. */
  readonly snapshot: string;
  /** The name of the parent. */
  readonly parent: string;

  /**
   * Describes the conflict.
   *
   * @param snapshot The key of the snapshot.
   * @param parent The name of the parent.
   * @param path What is a link in the parent.
   */
  constructor(snapshot: string, parent: string, path: string) {
    super(
      `Cannot commit snapshot "${snapshot}" onto "${parent}": its "${path}" is a link there; apply the layer to a snapshot of the parent`,
    );
    this.snapshot = snapshot;
    this.parent = parent;
  }
}
