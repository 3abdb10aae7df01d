/**
 * The error of a list that kept changing.
 *
 * @module
 */

/**
 * A list that changed each time while it was read. What was read may miss
 * things, or hold things that are gone.
 *
 * @typeParam T What was listed.
 *
 * @example Usage
 * ```ts
 * import { DumpInterruptedError } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DumpInterruptedError("list links", ["lo"]);
 * assertEquals(error.partial, ["lo"]);
 * ```
 */
export class DumpInterruptedError<T> extends Error {
  /** Always `"DumpInterruptedError"`, for checks across package versions. */
  override readonly name = "DumpInterruptedError";
  /** What was read last. */
  readonly partial: T;

  /**
   * Describes an interrupted list.
   *
   * @param operation What was being done, as in `list links`.
   * @param partial What was read last.
   */
  constructor(operation: string, partial: T) {
    super(
      `Cannot ${operation}: the list changed each time while it was read`,
    );
    this.partial = partial;
  }
}
