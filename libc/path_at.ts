/**
 * A path and where it starts.
 *
 * @module
 */

import type { Fd } from "./fd.ts";

/** A path and the directory where it starts, for calls that take two of them. */
export interface PathAt {
  /** Where a relative path starts; the working directory by default. */
  readonly directory?: Fd | undefined;
  /** The path; must not contain NUL. */
  readonly path: string;
}
