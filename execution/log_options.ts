/**
 * Logs of containers.
 *
 * @module
 */

/**
 * How a log is written: the bytes alone, Kubernetes' lines
 * (`<time> stdout F <text>`), or Docker's JSON lines.
 */
export type LogFormat = "raw" | "cri" | "json";

/** Where the output of a container is kept. */
export interface LogOptions {
  /**
   * The file, made with mode 0600.
   *
   * @default {"<bundle>/output.log"}
   */
  readonly path?: string;
  /**
   * How it is written.
   *
   * @default {"json"}
   */
  readonly format?: LogFormat;
  /**
   * Bytes after which a new file is begun, at the end of a line; the old one is then called `<path>.1`.
   *
   * @default {Infinity}
   */
  readonly maxSize?: number;
  /**
   * How many files are kept, the current one included.
   *
   * @default {2}
   */
  readonly maxFiles?: number;
}

/** A log whose file is known. */
export interface ContainerLog extends LogOptions {
  /** The file. */
  readonly path: string;
}
