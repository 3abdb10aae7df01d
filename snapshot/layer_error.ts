/**
 * The error of a layer that cannot be applied.
 *
 * @module
 */

/**
 * A layer that asks for what cannot be done, such as a hard link to a missing file.
 *
 * What the kernel refuses is a `SyscallError` of `@containerkit/libc`, a damaged
 * archive a `TarError` of `@containerkit/tar`.
 *
 * @example Usage
 * ```ts
 * import { LayerError } from "@containerkit/snapshot";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new LayerError("etc/x", "its kind \"Z\" is unknown");
 * assertEquals(error.message, 'Cannot apply "etc/x": its kind "Z" is unknown');
 * ```
 */
export class LayerError extends Error {
  /** Always `"LayerError"`, for checks across package versions. */
  override readonly name = "LayerError";
  /** The path of the entry, as the archive has it. */
  readonly path: string;

  /**
   * Describes what cannot be done.
   *
   * @param path The path of the entry.
   * @param why Why not.
   * @param options The cause, if another error is.
   */
  constructor(path: string, why: string, options: ErrorOptions = {}) {
    super(`Cannot apply ${JSON.stringify(path)}: ${why}`, options);
    this.path = path;
  }
}
