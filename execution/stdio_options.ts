/**
 * Where the standard input and output of a process go.
 *
 * @module
 */

/** A file that is written to at its end; it outlives the program. */
export interface FileStdio {
  /** Which variant this is. */
  readonly type: "file";
  /** Absolute path; made with mode 0600 if it is not there. */
  readonly path: string;
}

/** A FIFO that outlives the program: what is in it waits for the next reader. */
export interface FifoStdio {
  /** Which variant this is. */
  readonly type: "fifo";
  /** Absolute path; made with mode 0600 if it is not there. */
  readonly path: string;
}

/** A descriptor that is open already; the caller closes it. */
export interface FdStdio {
  /** Which variant this is. */
  readonly type: "fd";
  /** Its number. */
  readonly fd: number;
}

/** Where one of the three goes: `"inherit"` is the program's own, `"piped"` a web stream. */
export type Stdio =
  | "null"
  | "inherit"
  | "piped"
  | FileStdio
  | FifoStdio
  | FdStdio;

/** The standard input and output of a process. */
export interface StdioOptions {
  /**
   * The standard input.
   *
   * @default {"null"}
   */
  readonly stdin?: Stdio;
  /**
   * The standard output. With a terminal the words mean the terminal itself, and
   * files, FIFOs and descriptors are refused for all three.
   *
   * @default {"inherit"}
   */
  readonly stdout?: Stdio;
  /**
   * The standard error.
   *
   * @default {"inherit"}
   */
  readonly stderr?: Stdio;
  /**
   * Bytes that a pipe holds before the writer waits.
   *
   * @default {65536}
   */
  readonly pipeSize?: number;
  /**
   * Descriptors that the process gets as 3 and so on, with `LISTEN_FDS` left to the caller.
   *
   * @default {[]}
   */
  readonly preserve?: readonly number[];
}
