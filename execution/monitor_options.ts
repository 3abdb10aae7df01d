/**
 * The processes that hold what belongs to containers that are kept.
 *
 * @module
 */

/** Options of a monitor. */
export interface MonitorOptions {
  /**
   * Program and arguments that call {@linkcode runMonitor} with the folder that
   * follows them. A compiled program names itself and a hidden verb here.
   *
   * @default {[Deno.execPath(), "run", "-A", "<url of monitor_main.ts>"]}
   */
  readonly command?: readonly string[];
}

/**
 * conmon(8) in place of the monitor: one small process for each container, which keeps its exit code and log on
 * kernels before 6.15 too. Nobody can attach to it.
 */
export interface ConmonOptions {
  /** Which variant this is. */
  readonly type: "conmon";
  /**
   * The program.
   *
   * @default {"conmon"}
   */
  readonly command?: string;
}
