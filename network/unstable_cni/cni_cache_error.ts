/**
 * The error of what is kept between calls of CNI plugins.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

/**
 * A file that keeps what a container was added with, and cannot be read. The
 * container can be removed all the same, which removes the file too.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @example Usage
 * ```ts
 * import { CniCacheError } from "@containerkit/network/unstable-cni";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new CniCacheError("/run/my-app/n@web@eth0.json", "it is empty");
 * assertEquals(
 *   error.message,
 *   'Cannot read "/run/my-app/n@web@eth0.json": it is empty; remove the container from the network and add it again',
 * );
 * ```
 */
export class CniCacheError extends SyntaxError {
  /** Always `"CniCacheError"`, for checks across package versions. */
  override readonly name = "CniCacheError";
  /** The file. */
  readonly path: string;

  /**
   * Describes what is wrong with a file.
   *
   * @param path The file.
   * @param why What is wrong with it.
   * @param options What it was found by.
   */
  constructor(path: string, why: string, options: ErrorOptions = {}) {
    super(
      `Cannot read "${path}": ${why}; remove the container from the network and add it again`,
      options,
    );
    this.path = path;
  }
}
