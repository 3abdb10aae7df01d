/**
 * The error for a call that does not fit the state of a snapshot.
 *
 * @module
 */

/**
 * A call that the state of a snapshot does not allow, such as the removal of one that others are built on.
 *
 * @example Usage
 * ```ts
 * import { SnapshotStateError } from "@containerkit/snapshot";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new SnapshotStateError("remove", "base", "2 snapshots are built on it");
 * assertEquals(error.message, 'Cannot remove snapshot "base": 2 snapshots are built on it');
 * ```
 */
export class SnapshotStateError extends Error {
  /** Always `"SnapshotStateError"`, for checks across package versions. */
  override readonly name = "SnapshotStateError";
  /** The name or key of the snapshot. */
  readonly snapshot: string;

  /**
   * Describes a refused call.
   *
   * @param action What was being done, as in `remove`.
   * @param snapshot The name or key.
   * @param reason Why its state does not allow that.
   */
  constructor(action: string, snapshot: string, reason: string) {
    super(`Cannot ${action} snapshot "${snapshot}": ${reason}`);
    this.snapshot = snapshot;
  }
}
