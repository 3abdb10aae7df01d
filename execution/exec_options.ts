/**
 * How a further process of a container runs.
 *
 * @module
 */

import type { ConsoleSize, SpecProcess } from "./spec.ts";
import type { StdioOptions } from "./stdio_options.ts";

/** Options of `exec()`. */
export interface ExecOptions extends StdioOptions {
  /**
   * Folder for what belongs to this boot, as the container was made with.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
  /** User instead of the container's: `user`, `uid`, `user:group`, `uid:gid`, ... */
  readonly user?: string;
  /** Further groups of the user, by name or number. */
  readonly groups?: readonly string[];
  /** Environment over the container's; `null` removes a name. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Working directory instead of the container's. */
  readonly cwd?: string;
  /**
   * Gives the process a pseudo terminal, of this size.
   *
   * @default {false}
   */
  readonly terminal?: boolean | ConsoleSize;
  /**
   * Gives the process every capability that this program has.
   *
   * @default {false}
   */
  readonly privileged?: boolean;
  /** Fields of the process over all others. */
  readonly process?: Partial<SpecProcess>;
  /**
   * Starts it although the container is paused; it runs when that is resumed.
   *
   * @default {false}
   */
  readonly ignorePaused?: boolean;
  /** Stops waiting for the start; the process is not left behind. */
  readonly signal?: AbortSignal;
}
