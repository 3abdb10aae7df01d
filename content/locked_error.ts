/**
 * The error for a ref that is being written by somebody else.
 *
 * @module
 */

/**
 * A ref that another writer has open, of this process or of another one. Once that writer ends, or its process dies,
 * the ref is free.
 *
 * @example Usage
 * ```ts
 * import { LockedError } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new LockedError("layer", { pid: 7, since: new Date(0) });
 * assertEquals(
 *   error.message,
 *   'Cannot write "layer": process 7 has it open since 1970-01-01T00:00:00.000Z',
 * );
 * ```
 */
export class LockedError extends Error {
  /** Always `"LockedError"`, for checks across package versions. */
  override readonly name = "LockedError";
  /** The ref. */
  readonly ref: string;
  /** The process that writes. */
  readonly pid: number;
  /** Since when. */
  readonly since: Date;

  /**
   * Describes who writes.
   *
   * @param ref The ref.
   * @param holder The process, and when it began.
   */
  constructor(ref: string, holder: { pid: number; since: Date }) {
    super(
      `Cannot write "${ref}": process ${holder.pid} has it open since ${holder.since.toISOString()}`,
    );
    this.ref = ref;
    this.pid = holder.pid;
    this.since = holder.since;
  }
}
