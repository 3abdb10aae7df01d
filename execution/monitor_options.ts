/**
 * The process that holds what belongs to containers that are kept.
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
