/**
 * The error of a comparison that cannot be made.
 *
 * @module
 */

/**
 * A file that cannot be put into a layer, such as one that changes while it is read.
 *
 * @example Usage
 * ```ts
 * import { DiffError } from "@containerkit/snapshot";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DiffError("var/log/x", "it became shorter while being read");
 * assertEquals(error.path, "var/log/x");
 * ```
 */
export class DiffError extends Error {
  /** Always `"DiffError"`, for checks across package versions. */
  override readonly name = "DiffError";
  /** The path of the file, in the layer. */
  readonly path: string;

  /**
   * Describes what cannot be done.
   *
   * @param path The path of the file.
   * @param why Why not.
   */
  constructor(path: string, why: string) {
    super(`Cannot put ${JSON.stringify(path)} into a layer: ${why}`);
    this.path = path;
  }
}
