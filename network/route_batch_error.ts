/**
 * The error of requests that were sent together.
 *
 * @module
 */

/** How one request of a batch ended. */
export type BatchResult = { readonly value: unknown } | {
  readonly error: unknown;
};

/**
 * Some requests of a batch were refused; the others were carried out.
 *
 * @example Usage
 * ```ts
 * import { RouteBatchError } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new RouteBatchError([{ value: 1 }, { error: new Error("Cannot a") }]);
 * assertEquals(error.message, "Cannot do 1 of 2 requests: Cannot a");
 * ```
 */
export class RouteBatchError extends AggregateError {
  /** Always `"RouteBatchError"`, for checks across package versions. */
  override readonly name = "RouteBatchError";
  /** How each request ended, in their order. */
  readonly results: readonly BatchResult[];

  /**
   * Describes a batch of which some requests were refused.
   *
   * @param results How each request ended, in their order.
   */
  constructor(results: readonly BatchResult[]) {
    const errors = results.flatMap((result) =>
      "error" in result ? [result.error] : []
    );
    const reasons = errors.map((error) =>
      error instanceof Error ? error.message : String(error)
    );
    super(
      errors,
      `Cannot do ${errors.length} of ${results.length} requests: ${
        reasons.join("; ")
      }`,
    );
    this.results = results;
  }
}
