/**
 * Errors of reading archives.
 *
 * @module
 */

/**
 * An archive that is damaged or breaks the rules of its format.
 *
 * @example Usage
 * ```ts
 * import { createTarParser, TarError } from "@containerkit/tar";
 * import { assertThrows } from "@std/assert";
 *
 * const parser = createTarParser({ entry() {}, data() {}, end() {} });
 * assertThrows(() => parser.push(new Uint8Array(512).fill(65)), TarError);
 * ```
 */
export class TarError extends Error {
  /** Always `"TarError"`, for checks across package versions. */
  override readonly name = "TarError";
  /** Where in the (uncompressed) archive it was found, in bytes; -1 if it is about no place. */
  readonly offset: number;

  /**
   * Describes what is wrong.
   *
   * @param why What is wrong, as in `the checksum of the header does not match`.
   * @param offset Where in the archive, in bytes.
   * @param options The cause, if another error is.
   */
  constructor(why: string, offset = -1, options: ErrorOptions = {}) {
    super(
      offset < 0
        ? `Cannot read the archive: ${why}`
        : `Cannot read the archive at byte ${offset}: ${why}`,
      options,
    );
    this.offset = offset;
  }
}
