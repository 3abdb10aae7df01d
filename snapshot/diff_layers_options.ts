/**
 * What making layers has in common.
 *
 * @module
 */

import type { IdMap } from "@containerkit/mount";
import type { Compression } from "@containerkit/tar/layer";

/** Options of {@linkcode diffLayers} and {@linkcode diffUpper}. */
export interface DiffLayersOptions {
  /**
   * How to compress the layer.
   *
   * @default {"gzip"}
   */
  readonly compression?: Compression;
  /** The level of the compression; the default is the codec's own. */
  readonly level?: number;
  /** Seconds since 1970: later times become this one, see `SOURCE_DATE_EPOCH` of reproducible-builds.org. */
  readonly sourceDateEpoch?: number;
  /**
   * Which extended attributes belong into the layer. By default all but those of
   * the overlay (`trusted.*`, `user.overlay.*`) and of the host (labels and measurements).
   */
  readonly isXattrKept?: (name: string) => boolean;
  /** Owners on disk (`outside`) and what they are in the layer (`inside`); one that is not in it stays. */
  readonly idmap?: IdMap;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}
