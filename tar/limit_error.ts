/**
 * The error of an input that is larger than allowed.
 *
 * @module
 */

/** What can be limited, see {@linkcode TarLimits}. */
export type LimitName = keyof TarLimits;

/** How much an archive may ask for. Each is without a bound by default unless it says otherwise. */
export interface TarLimits {
  /** Number of entries. */
  readonly entries?: number;
  /**
   * Bytes of a path or of the target of a link.
   *
   * @default {4096}
   */
  readonly pathBytes?: number;
  /** Names in a path. */
  readonly pathDepth?: number;
  /**
   * Bytes of the headers in front of one entry: PAX records, long names, maps of sparse files.
   *
   * @default {1048576}
   */
  readonly headerBytes?: number;
  /** Bytes of all files together, those of sparse files with their holes. */
  readonly totalBytes?: number;
  /** Uncompressed bytes for each compressed byte, once the first MiB is through. */
  readonly ratio?: number;
}

/**
 * An archive that asks for more than the caller allows.
 *
 * @example Usage
 * ```ts
 * import { LimitError } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new LimitError("entries", 100);
 * assertEquals(error.limit, "entries");
 * ```
 */
export class LimitError extends RangeError {
  /** Always `"LimitError"`, for checks across package versions. */
  override readonly name = "LimitError";
  /** Which limit was passed. */
  readonly limit: LimitName;
  /** What was allowed. */
  readonly maximum: number;

  /**
   * Describes a passed limit.
   *
   * @param limit Which.
   * @param maximum What was allowed.
   */
  constructor(limit: LimitName, maximum: number) {
    super(
      `Cannot read the archive: it passes the limit "${limit}" of ${maximum}`,
    );
    this.limit = limit;
    this.maximum = maximum;
  }
}
