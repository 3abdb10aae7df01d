/**
 * The error for state that a newer program wrote.
 *
 * @module
 */

/**
 * A state file whose schema is newer than this program knows: opening it could destroy what the newer one keeps there.
 *
 * @example Usage
 * ```ts
 * import { StateVersionError } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new StateVersionError("/tmp/state.db", { found: 3, known: 2 });
 * assertEquals(error.found, 3);
 * ```
 */
export class StateVersionError extends Error {
  /** Always `"StateVersionError"`, for checks across package versions. */
  override readonly name = "StateVersionError";
  /** The file. */
  readonly path: string;
  /** The schema version of the file. */
  readonly found: number;
  /** The newest schema version that this program knows. */
  readonly known: number;

  /**
   * Describes the versions.
   *
   * @param path The file.
   * @param versions The schema version found, and the newest one known.
   */
  constructor(path: string, versions: { found: number; known: number }) {
    super(
      `Cannot open state "${path}": its schema is version ${versions.found}, and this program knows up to ${versions.known}`,
    );
    this.path = path;
    this.found = versions.found;
    this.known = versions.known;
  }
}
